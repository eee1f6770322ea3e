"""Where content lies that is too large or lives too long for a workflow history."""
