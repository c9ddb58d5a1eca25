from __future__ import annotations

import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import gymnasium
import pytest
from typer.testing import CliRunner

from morl import __version__
from morl.cli import app
from morl.experiments.config import load_config
from morl.registry import kinds

CONFIG = """
env: deep-sea-treasure-v0
solver: {name: morld, num_members: 3, exchange_period: 250, solver: moq}
env_steps: 500
evaluation: {episodes: 2, max_episode_steps: 50}
"""
ANSI = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]")


@pytest.fixture
def config(in_tmp_path):
    (in_tmp_path / "small.yaml").write_text(CONFIG)
    return in_tmp_path


def morl(*arguments, code=0):
    result = CliRunner().invoke(app, [str(a) for a in arguments])
    if code is not None:
        assert result.exit_code == code, result.output + str(result.exception)
    return result


def environment():
    return {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}


def python(*arguments, code=None, **variables):
    """Run a process of its own."""
    found = subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, check=False, env={**environment(), **variables}
    )
    assert code in (None, found.returncode), found.stderr
    return found


@pytest.mark.parametrize("command", ["run", "resume", "evaluate", "interpolate", "plot", "list", "doctor", "config show"])
def test_every_command_helps_with_an_example(command):
    text = ANSI.sub("", morl(*command.split(), "--help").output)
    assert f"Example: morl {command}" in re.sub(r"\s+", " ", text)


def test_help_imports_nothing_heavy():
    code = (
        "import sys; sys.argv = ['morl', '--help']\n"
        "import morl.cli\n"
        "try: morl.cli.main()\n"
        "except SystemExit: pass\n"
        "heavy = ('torch', 'numpy', 'matplotlib', 'pymoo', 'moocore', 'omegaconf', 'gymnasium', 'pyomo', 'cma', 'highspy')\n"
        "print('HEAVY', [m for m in heavy if m in sys.modules])"
    )
    assert python("-c", code, code=0).stdout.rstrip().endswith("HEAVY []")


def test_run_evaluate_plot_resume(config):
    text = morl("run", "small.yaml", "seed=1", "--out", "first").output
    assert "Training MORLD(MOQLearning) on deep-sea-treasure-v0" in text
    assert "3 policies, 500 environment steps, seed 1, device cpu, 1 thread" in text
    assert "500 / 500" in text
    assert "Front: " in text
    assert "Hypervolume" in text
    assert "first/plots/front.png" in text
    assert (config / "first" / "plots" / "front.png").is_file()
    assert json.loads((config / "first" / "summary.json").read_text())["seed"] == 1

    text = morl("evaluate", "first", "--episodes", "3").output
    assert "in 3 fresh episodes" in text
    assert "hypervolume: " in text
    assert (config / "first" / "evaluation.csv").is_file()

    (config / "first" / "plots" / "front.png").unlink()
    assert "first/plots/front.png" in morl("plot", "first").output
    assert (config / "first" / "plots" / "front.png").is_file()

    assert "from 500 to 750 environment steps" in morl("resume", "first", "--env-steps", "750").output
    assert json.loads((config / "first" / "summary.json").read_text())["env_steps"] == 750


def test_small_tables_and_other_pictures_of_a_report_are_shown(in_tmp_path):
    text = morl("run", "subpo/hub", "env_steps=200", "--out", "hub").output
    assert "Planners (tables/planners.csv)" in text
    assert "modular_policy" in text
    assert "Walks (" not in text
    assert "Beside it: indicators.png, walks.png" in text
    assert (in_tmp_path / "hub" / "plots" / "walks.png").is_file()


def test_run_finds_a_place_and_can_be_quiet(config):
    printed = [morl("run", "small.yaml", "--quiet").stdout.strip() for _ in range(2)]
    assert len(set(printed)) == 2
    for path in printed:
        assert re.fullmatch(r"runs/small/\d{8}-\d{6}-0(-2)?", path)
        assert (config / path / "front.csv").is_file()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "quickstrat"], r"no configuration 'quickstrat'.*Did you mean 'quickstart'\?"),
        (["run", "small.yaml", "sed=1"], r"sed: unknown key. Did you mean 'seed'\?"),
        (["run", "small.yaml", "solver.num_members=many"], r"solver.num_members: expected int, found 'many' \(text\)"),
        (["run", "small.yaml", "env=no-such-env-v0"], r"unknown environment 'no-such-env-v0'"),
        (["run", "small.yaml", "env=CartPole-v1"], r"scalar reward"),
        (["run", "small.yaml", "evaluation.reference_point=[1]"], r"reference_point has 1 entries .* 2 objectives"),
        (["run", "small.yaml", "solver.weights=[[0.5,0.6],[1,0],[0,1]]"], r"simplex"),
        (["run", "small.yaml", "solver.weights=[[1,0],[0,1],[0.5]]"], r"vectors of 1 and 2 numbers"),
        (["run", "small.yaml", "solver.ideal_point=[1,0]"], r"ideal_point: WeightedSum has no use for it"),
        (["run", "small.yaml", "solver.scalarization=chebyshev", "solver.ideal_point=[.nan,0]"], r"must be a finite number"),
        (["run", "small.yaml", "solver.cooperation=hard_transfer"], r"expected a list of cooperation names"),
        (
            ["run", "small.yaml", "solver.cooperation=[hard_transfer]", "solver.neighbourhood.k=3"],
            r"3 neighbours need at least 4 members",
        ),
        (["run", "small.yaml", "evaluation.reference_point=[.inf,0]"], r"reference_point must be a finite number"),
        (["run", "small.yaml", "evaluation.seed=-1"], r"evaluation.seed must not be negative"),
        (["run", "small.yaml", "threads=100000"], r"threads must be from 1 to 1024"),
        (["run", "binary.yaml"], r"binary.yaml is not a text file: byte 0 is not UTF-8"),
        (["run", "list.yaml"], r"expected a mapping with env, solver, env_steps"),
        (["run", "small.yaml", "device=cuda:99"], r"device 'cuda:99' is not available"),
        (["run", "small.yaml", "--out", "full"], r"full is not empty"),
        (["run", "small.yaml", "--out", "small.yaml/run"], r"cannot write to small.yaml/run"),
        (["resume", "."], r"is not a run directory"),
        (["evaluate", "nowhere"], r"is not a run directory"),
        (["interpolate", "nowhere"], r"is not a run directory"),
        (["plot", "nowhere"], r"is not a run directory"),
        (["list", "solvrs"], r"Did you mean 'solver'\?"),
        (["config", "show", "small.yaml", "solver=mosca"], r"Did you mean 'mosac'\?"),
    ],
)
def test_bad_input_is_one_line_on_stderr_and_exit_code_2(config, arguments, message):
    (config / "full").mkdir()
    (config / "full" / "thesis.tex").touch()
    (config / "binary.yaml").write_bytes(b"\xff\x00\xfe")
    (config / "list.yaml").write_text("[1, 2]")
    before = sorted(config.rglob("*"))
    result = morl(*arguments, code=2)
    assert re.fullmatch(rf"error: .*{message}.*\n", result.stderr), result.stderr
    assert result.stdout == ""
    assert sorted(config.rglob("*")) == before, "nothing was written or lost"


def test_debug_shows_the_traceback(config):
    result = CliRunner().invoke(app, ["--debug", "run", "quickstrat"])
    assert result.exit_code == 1
    assert "quickstrat" in str(result.exception)
    found = python("-m", "morl", "run", "quickstrat", "--debug")
    assert "Traceback" in found.stderr
    assert found.returncode == 1


def test_json_for_scripts(config):
    told = json.loads(morl("run", "small.yaml", "--out", "told", "--json").stdout)
    assert told["run_directory"] == "told"
    assert told["status"] == "finished"
    assert told["indicators"]["hypervolume"] > 0
    assert told["manifest"]["env_steps"]["training"] == 500
    again = json.loads(morl("resume", "told", "--json").stdout)
    assert again["indicators"] == told["indicators"]
    judged = json.loads(morl("evaluate", "told", "--episodes", "2", "--json").stdout)
    assert judged["policies"][0]["policy"] == "policy-000"
    assert judged["indicators"]["hypervolume"] == told["indicators"]["hypervolume"]
    checks = json.loads(morl("doctor", "--json", code=None).stdout)
    assert {"check", "ok", "found"} == set(checks[0])


def test_list():
    text = morl("list").output
    assert "solver: morld, mosac" in text
    assert "scalarization: weighted_sum" in text
    assert "quickstart" in text
    assert "chebyshev\tMinus the largest weighted shortfall from the ideal point\n" in morl("list", "scalarization").output
    assert morl("list", "Scalarizations").output == morl("list", "scalarization").output
    assert morl("list", "policies").output == morl("list", "policy").output
    assert morl("list", "search").output == morl("list", "searches").output != ""
    assert "quickstart\tWhat `make quickstart` runs" in morl("list", "configs").output
    assert "AWA (Qi et al. 2014): twelve members" in morl("list", "configs").output
    assert all(line.partition("\t")[2] for line in morl("list", "configs").output.splitlines()), (
        "a configuration says what it is"
    )
    assert "mo-halfcheetah-v4\tspeed, energy\t(-100, -100)" in morl("list", "benchmarks").output


def test_everything_that_is_listed_says_what_it_is():
    for kind in kinds():
        for line in morl("list", kind).output.splitlines():
            assert len(line.partition("\t")[2]) > 10, line


def test_listed_environments_can_be_made_here():
    shown = [line.split("\t") for line in morl("list", "environments").stdout.splitlines()]
    assert all(len(row[1]) > 10 for row in shown)
    ids = [row[0] for row in shown]
    assert {"tabular/windy-walk-v0", "cormab/budget-v0", "coverage/hub-v0", "mo-mountaincar-v0"} < set(ids)
    assert ["deep-sea-treasure-v0", "objectives: treasure, time"] in [[row[0], row[-1]] for row in shown]
    for env_id in random.Random(0).sample(ids, 4):
        gymnasium.make(env_id, disable_env_checker=True).close()


def test_listing_imports_no_torch():
    code = (
        "import sys; from morl.catalogue import entries, every_kind\n"
        "for kind in every_kind(): entries(kind)\n"
        "print('torch' in sys.modules)"
    )
    assert python("-c", code, code=0).stdout == "False\n"


def test_version():
    assert morl("--version").output == f"morl {__version__}\n"


def test_run_takes_its_budget_as_an_option(config):
    morl("run", "small.yaml", "--env-steps", "2_50", "--out", "short", "--quiet")
    assert json.loads((config / "short" / "summary.json").read_text())["env_steps"] == 250


ROOT = Path(__file__).parents[2]
EXAMPLES = sorted(
    {
        " ".join(found.split())
        for path in (ROOT / "README.md", ROOT / "morl" / "cli.py", *(ROOT / "docs").rglob("*.md"))
        for found in re.findall(r"(?:^\$ |Example: |Start here: |`)(morl [^`#\n\"]+)", path.read_text(), flags=re.MULTILINE)
        if "_build" not in path.parts
    }
)
STAND_INS = {
    r"\bCONFIG\b|\bmy.yaml\b": "small.yaml",
    r"\bkey=value\b": "seed=2",
    r"runs/\S+": "RUN",
    r"--env-steps \w+": "--env-steps 600",
}


def test_examples_of_help_and_documentation_work(config):
    """Those that train are built only: their configuration decides whether they work."""
    morl("run", "small.yaml", "record=true", "--out", "RUN", "--quiet")
    networks = ("env=continuous/two-targets-v0", "solver.solver={name: moppo, hidden: [4], rows_per_member: 2, horizon: 10}")
    morl("run", "small.yaml", *networks, "env_steps=1000", "--out", "NETWORKS", "--quiet")
    tried = 0
    for example in EXAMPLES:
        text = example
        for pattern, value in STAND_INS.items():
            text = re.sub(pattern, value, text)
        _, command, *arguments = text.split()
        if command == "run" and arguments:
            options = [i for i, argument in enumerate(arguments) if argument.startswith("--")]
            load_config(arguments[0], arguments[1 : options[0] if options else None])
        elif command == "list" or arguments:
            if command == "interpolate":  # there is nothing between tables
                arguments[0] = "NETWORKS"
            assert morl(command, *arguments).output, example
        tried += 1
    assert tried > 15


def test_a_misplaced_key_is_told_where_it_belongs(config):
    for key, place in {"solver.gamma": "solver.solver.gamma", "episodes": "evaluation.episodes", "solver.seed": "seed"}.items():
        assert f"Did you mean '{place}'?" in morl("config", "show", "small.yaml", f"{key}=1", code=2).stderr


def test_a_message_is_one_short_line_however_long_the_input(config):
    for override in ("env=" + "x" * 20_000, "y" * 20_000 + "=1", "seed=" + "9" * 20_000, "plugins=[" + "z" * 20_000 + "]"):
        result = morl("run", "small.yaml", override, code=2)
        assert result.stderr.count("\n") == 1
        assert len(result.stderr) < 2_000


def test_plug_ins_of_the_current_folder_are_found(config, monkeypatch):
    (config / "lab_of_the_day.py").write_text(
        "from dataclasses import dataclass\n"
        "from morl.solvers import MOQLearning\n"
        "COMPONENTS = {'solver': {'mine_today': 'lab_of_the_day:MineToday'}}\n"
        "@dataclass(frozen=True, kw_only=True)\n"
        "class MineToday(MOQLearning):\n"
        "    'Mine.'\n"
    )
    found = python("-P", "-m", "morl", "config", "show", "small.yaml", "plugins=[lab_of_the_day]", "solver=mine_today")
    assert "name: mine_today" in found.stdout, found.stderr


def test_a_terminal_that_cannot_show_a_character_ends_no_run(config):
    found = python("-m", "morl", "run", "small.yaml", "--out", "plain", code=0, PYTHONIOENCODING="ascii", PYTHONUTF8="0")
    assert "+/-" in found.stdout


def test_proven_bounds_are_told_from_simulated_returns(in_tmp_path):
    text = morl("run", "iwocs/windy-walk", "evaluation.episodes=2", "--out", "proven").output
    assert "(simulated: mean discounted return" in text
    assert "Proven: lower bound -7.952, upper bound -7.952, gap 0 (converged); rectangular_hull: exact, 25 models" in text
    assert re.search(r"│ +lower │ +upper │", re.sub("┃", "│", text))


def test_a_budget_that_ends_before_the_method_began_is_said(in_tmp_path):
    small = ["solver.solver.hidden=[4]", "solver.solver.updates_per_step=0.01", "evaluation.episodes=1", "env_steps=400"]
    text = morl("run", "iwocs/pendulum", *small, "--out", "short").output
    assert (
        "Bounds: none; nothing is known: the budget ended before the first search, which comes after default_steps (32,000"
        in text
    )


def test_a_reader_that_has_seen_enough_is_no_error(config):
    command = f"{sys.executable} -m morl list benchmarks | head -1"
    found = subprocess.run(command, shell=True, capture_output=True, text=True, check=True, env=environment())
    assert found.stdout.count("\n") == 1
    assert found.stderr == ""


def test_doctor_finds_the_installation_whole():
    text = morl("doctor", code=None).output
    assert "torch 2" in text
    assert "cpu, threads 1, cores " in text
    assert "PROBLEM  components" not in text


def test_config_show_prints_what_can_be_run_again(config):
    text = morl("config", "show", "small.yaml", "solver.solver.gamma=0.9").output
    (config / "shown.yaml").write_text(text)
    assert morl("config", "show", "shown.yaml").output == text
    assert "gamma: 0.9" in text


def test_ctrl_c_exits_130_and_says_how_to_go_on(config):
    command = [sys.executable, "-m", "morl", "run", "small.yaml", "env_steps=200000", "--out", "stopped"]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment())
    deadline = time.monotonic() + 60
    while not (config / "stopped" / "checkpoint" / "00000001").exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    child.send_signal(signal.SIGINT)
    out, err = child.communicate(timeout=60)
    assert child.returncode == 130, out + err
    assert re.fullmatch(r"interrupted at [\d,]+ environment steps; go on with: morl resume stopped\n", err)
    assert "Training MORLD" in out
    assert json.loads((config / "stopped" / "manifest.json").read_text())["status"] == "interrupted"
    done = json.loads((config / "stopped" / "summary.json").read_text())["env_steps"]
    assert f"{done + 250:,} / {done + 250:,}" in morl("resume", "stopped", "--env-steps", done + 250).output
