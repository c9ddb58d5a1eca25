"""Batched forms of the MuJoCo robots of gymnasium and mo-gymnasium: one model, many states, arithmetic on all at once."""
