"""The only door from workflows to the outside: methods of objects that hold Protocols, never a vendor SDK."""
