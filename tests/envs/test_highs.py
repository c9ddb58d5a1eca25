"""The solver of integer programs says nothing unless asked."""

from envs.highs import quiet_highs


def test_prints_nothing(capfd):
    highs = quiet_highs()
    highs.addVar(0.0, 1.0)
    highs.changeColCost(0, -1.0)
    highs.run()
    assert highs.getInfo().objective_function_value == -1.0
    assert capfd.readouterr() == ("", "")
