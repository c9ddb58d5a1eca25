"""Time morl-baselines' MORL/D in an interpreter of its own and print one JSON line. Not part of the project's environment.

The peer needs a virtual environment of its own with ``morl-baselines==1.3.0`` and ``mo-gymnasium[mujoco]``. Nothing of it is
changed: two clocks are put around its evaluation, and its training loop is run as it is.
"""

import argparse
import contextlib
import json
import os
import sys
import time


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--env", required=True)
    parser.add_argument("--width", type=int, required=True)
    parser.add_argument("--batch-size", type=int, required=True)
    parser.add_argument("--steps", type=int, required=True)
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--learning-starts", type=int, default=100)
    options = parser.parse_args()
    os.environ["WANDB_MODE"] = "disabled"

    with contextlib.redirect_stdout(sys.stderr):
        import mo_gymnasium
        import numpy as np
        import torch
        from morl_baselines.multi_policy.morld import morld

        torch.set_num_threads(options.threads)
        torch.manual_seed(0)
        np.random.seed(0)  # noqa: NPY002 - the peer draws from numpy's global state
        env = mo_gymnasium.make(options.env, max_episode_steps=300)
        judge = mo_gymnasium.make(options.env, max_episode_steps=300)
        steps = {"evaluation": 0}
        judged_step = judge.step

        def counted(action):
            steps["evaluation"] += 1
            return judged_step(action)

        judge.step = counted
        seconds = {"evaluation": 0.0}
        name = "_MORLD__eval_all_policies"
        evaluate = getattr(morld.MORLD, name)

        def timed(self, *arguments, **keywords):
            start = time.perf_counter()
            result = evaluate(self, *arguments, **keywords)
            seconds["evaluation"] += time.perf_counter() - start
            return result

        setattr(morld.MORLD, name, timed)
        policy = {
            "net_arch": [options.width, options.width],
            "batch_size": options.batch_size,
            "buffer_size": 100_000,
            "learning_starts": options.learning_starts,
        }
        population = morld.MORLD(
            env=env, scalarization_method="ws", evaluation_mode="ser", policy_name="MOSAC", policy_args=policy, gamma=0.99,
            pop_size=6, seed=0, exchange_every=options.steps // 2, neighborhood_size=1, shared_buffer=True, update_passes=10,
            weight_adaptation_method=None, log=False, device="cpu",
        )  # fmt: skip
        start = time.perf_counter()
        population.train(
            total_timesteps=options.steps,
            eval_env=judge,
            ref_point=np.array([-100.0, -100.0]),
            num_eval_episodes_for_front=1,
            checkpoints=False,
        )
        total = time.perf_counter() - start
    result = {
        "steps_per_second": options.steps / (total - seconds["evaluation"]),
        "seconds_per_evaluation_step": seconds["evaluation"] / max(steps["evaluation"], 1),
    }
    sys.stdout.write(json.dumps(result) + "\n")


if __name__ == "__main__":
    main()
