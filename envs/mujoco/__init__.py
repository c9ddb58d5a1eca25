"""Batched forms of mo-gymnasium's MuJoCo robots: one model, many states, rewards and observations in one expression."""
