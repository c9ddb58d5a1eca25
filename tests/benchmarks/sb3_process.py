"""Time stable-baselines3 in an interpreter of its own and print one JSON line. Not part of the project's environment.

The peer needs a virtual environment of its own with ``stable-baselines3==2.9.2`` and ``gymnasium[mujoco]``. Its training loop
is run as it is, warmed up before the clock starts.
"""

import argparse
import contextlib
import json
import sys
import time
from typing import Any


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--algorithm", choices=["PPO", "SAC", "DQN"], required=True)
    parser.add_argument("--env", required=True)
    parser.add_argument("--envs", type=int, required=True)
    parser.add_argument("--width", type=int, required=True)
    parser.add_argument("--batch-size", type=int, required=True)
    parser.add_argument("--warm-up", type=int, required=True)
    parser.add_argument("--steps", type=int, required=True)
    parser.add_argument("--threads", type=int, required=True)
    options = parser.parse_args()

    with contextlib.redirect_stdout(sys.stderr):
        import stable_baselines3
        import torch
        from stable_baselines3.common.env_util import make_vec_env

        torch.set_num_threads(options.threads)
        wide = [options.width, options.width]
        often: dict[str, Any] = {"train_freq": 1, "gradient_steps": 1, "learning_starts": 100, "buffer_size": 100_000}
        given: dict[str, Any] = {
            "PPO": {"n_steps": 256, "n_epochs": 10},
            "SAC": often,
            # One target update per step is what the other side does.
            "DQN": {**often, "target_update_interval": 1, "tau": 0.01},
        }[options.algorithm]
        model = getattr(stable_baselines3, options.algorithm)(
            "MlpPolicy", make_vec_env(options.env, n_envs=options.envs, seed=0), batch_size=options.batch_size,
            policy_kwargs={"net_arch": wide}, seed=0, device="cpu", verbose=0, **given,
        )  # fmt: skip
        model.learn(options.warm_up)
        before, start = model.num_timesteps, time.perf_counter()
        model.learn(options.steps, reset_num_timesteps=False)
        rate = (model.num_timesteps - before) / (time.perf_counter() - start)
    sys.stdout.write(json.dumps({"steps_per_second": rate}) + "\n")


if __name__ == "__main__":
    main()
