"""The solver of integer programs: silent, and it and other people's use of HiGHS in one process do not hinder each other."""

from __future__ import annotations

import subprocess
import sys

import pytest

from envs.highs import quiet_highs


def test_prints_nothing(capfd):
    highs = quiet_highs()
    highs.addVar(0.0, 1.0)
    highs.changeColCost(0, -1.0)
    highs.run()
    assert highs.getInfo().objective_function_value == -1.0
    assert capfd.readouterr() == ("", "")


OTHERS = """
import time
import highspy, numpy as np, pyomo.environ as pyo
from pyomo.contrib.appsi.solvers import Highs

def theirs(threads):
    highs = highspy.Highs()
    highs.setOptionValue("output_flag", False)
    highs.setOptionValue("threads", threads)
    x, y = highs.addBinary(), highs.addBinary()
    highs.addConstr(x + y <= 1)
    highs.maximize(x + 2 * y)
    assert highs.getInfo().objective_function_value == 2.0, (threads, highs.getModelStatus())
    highspy.Highs.resetGlobalScheduler(True)  # theirs to reset, between sizes

def pyomos(**options):
    model = pyo.ConcreteModel()
    model.x = pyo.Var(range(3), domain=pyo.Binary)
    model.c = pyo.Constraint(expr=model.x[0] + model.x[1] + model.x[2] <= 2)
    model.o = pyo.Objective(expr=model.x[0] + 2 * model.x[1], sense=pyo.maximize)
    solver = Highs()
    solver.highs_options = options
    solver.solve(model)
    assert pyo.value(model.o) == 3.0

def threads():
    return int(open("/proc/self/status").read().split("Threads:")[1].split()[0])
"""

OURS = """
from envs.cormab import budget_instance
from envs.cormab.constraints import Budget, Linear
from envs.cormab.constraints.capacity import Capacity
from morl.cormab import relax
from morl.mip import FoldedNetwork, Layer, Maximizer, pieces

def ours():
    assert Budget(4, 2).rows().solve(np.array([1.0, 4.0, 3.0, 2.0])).tolist() == [False, True, True, False]
    assert Linear([[1] * 3], [1], [2]).project([1, 1, 1]).sum() == 2
    line = FoldedNetwork((), Layer(np.zeros((1, 0)), np.array([[1.0, 3.0, 2.0]]), np.zeros(1)))
    assert Maximizer(Budget(3, 2), method="program", bounds="lp")([line], pieces(1)).value == 5.0
    assert relax(budget_instance(num_arms=4, budget=2, seed=0), horizon=3).bound > 0
"""

FIRST = """
pyomos()
assert Budget(4, 2).rows().solve(np.array([1.0, 4.0, 3.0, 2.0])).tolist() == [False, True, True, False]
pyomos()
theirs(0)
"""
AND_THE_OTHER_WAY = """
ours()
before = threads()
ours()
time.sleep(0.3)  # a thread that is done may take its time to go
assert threads() <= before, "our programs keep no threads"
theirs(2)
ours()
pyomos(threads=3)
ours()
pyomos(threads=3)
"""


@pytest.mark.parametrize("theirs_first", [True, False])
def test_neither_hinders_the_other(theirs_first):
    order = "from envs.cormab.constraints import Budget" + FIRST if theirs_first else OURS + AND_THE_OTHER_WAY
    done = subprocess.run([sys.executable, "-c", OTHERS + order], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


REFUSED = """
import highspy
import envs.highs

class Here:
    def __init__(self, workers): pass
    def __enter__(self): return self
    def __exit__(self, *error): pass
    def submit(self, call):
        call()
        return self
    def result(self): pass

first, second = envs.highs.quiet_highs(), envs.highs.quiet_highs()
first.setOptionValue("threads", 2)
for highs in (first, second):
    highs.addVar(0.0, 1.0)
    assert envs.highs.run(highs) == highspy.HighsModelStatus.kOptimal
    highs.clearSolver()
assert envs.highs.trouble(first) == "HiGHS stopped with Not Set"
envs.highs.ThreadPoolExecutor = Here  # everything on this thread, whose pool the first one makes
envs.highs.run(first)
assert envs.highs.run(second) == highspy.HighsModelStatus.kNotset
print(envs.highs.trouble(second))
"""


def test_a_refusal_says_why():
    done = subprocess.run([sys.executable, "-c", REFUSED], check=False, capture_output=True, text=True)
    assert "Option 'threads' is set to 1 but" in done.stdout, done.stderr
