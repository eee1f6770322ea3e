"""What every layer speaks: pure models and functions, without I/O, clock, random, env, Temporal or vendor imports."""
