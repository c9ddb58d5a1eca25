from __future__ import annotations

import numpy as np
import pytest

from morl.experiments.plots import Labels, front_figure, indicator_figure, weights_figure
from morl.experiments.run_plots import result_figures, save_figure


def labels(m):
    return Labels(
        objectives=tuple(f"objective {k}" for k in range(m)),
        units=(("m/s", "", "J") + ("",) * m)[:m],
        gamma=0.99,
        title="title",
        detail="detail",
    )


def front(m, size=7):
    rng = np.random.default_rng(m)
    return rng.dirichlet(np.ones(m), size) * 100


def texts(figure):
    from matplotlib.text import Text

    return {text.get_text() for text in figure.findobj(Text)}


@pytest.mark.parametrize("m", [1, 2, 3, 4, 6])
@pytest.mark.parametrize(("size", "full"), [(1, False), (7, True)])
def test_fronts_of_every_dimension_are_drawn(tmp_path, m, size, full):
    values = front(m, size)
    more = {
        "weights": values / 100,
        "standard_errors": np.ones_like(values),
        "known_front": values * 1.1,
        "dominated": values * 0.9,
    }
    figure = front_figure(values, labels(m), **(more if full else {}))
    assert any("objective 0" in text for text in texts(figure))
    path = save_figure(figure, tmp_path / "new" / "front.png")
    from PIL import Image

    with Image.open(path) as image:
        pixels = np.asarray(image.convert("RGB"))
    assert pixels.shape[0] > 200
    assert len(np.unique(pixels.reshape(-1, 3), axis=0)) > 20


def test_every_policy_is_a_point_coloured_by_its_weight():
    values = front(2)
    figure = front_figure(values, labels(2), weights=values / 100)
    points = next(c for c in figure.axes[0].collections if str(c.get_label()).startswith("archive front"))
    assert np.allclose(np.asarray(points.get_offsets()), values)
    assert np.allclose(np.asarray(points.get_array()), values[:, 0] / 100)
    assert "weight on objective 0" in texts(figure)


def test_unknown_weights_give_one_colour():
    values = front(2)
    figure = front_figure(values, labels(2), weights=np.full_like(values, np.nan))
    points = next(c for c in figure.axes[0].collections if str(c.get_label()).startswith("archive front"))
    assert points.get_array() is None
    assert len(figure.axes) == 1


def test_indicators_show_archive_and_population():
    rows = [
        {"env_steps": s, "hypervolume": 10.0 + s, "population_hypervolume": 9.0, "cardinality": 3, "igd_plus": None}
        for s in range(5)
    ]
    figure = indicator_figure(rows, labels(2))
    assert {"Hypervolume", "Policies on the front", "archive", "population", "environment steps"} <= texts(figure)
    assert "IGD+ to the known front" not in texts(figure)
    assert np.array_equal(figure.axes[0].lines[0].get_ydata(), [10, 11, 12, 13, 14])


@pytest.mark.parametrize("rows", [[], [{"env_steps": 0}], [{"env_steps": 0, "hypervolume": float("nan")}]])
def test_nothing_to_show_is_no_error(tmp_path, rows):
    save_figure(indicator_figure(rows, labels(2)), tmp_path / "empty.png")


@pytest.mark.parametrize("m", [2, 3, 5])
def test_weights_are_drawn(tmp_path, m):
    figure = weights_figure(front(m) / 100, labels(m), [f"member {i}" for i in range(7)])
    assert {"member 6", "objective 0"} <= texts(figure)
    save_figure(figure, tmp_path / "weights.png")


def test_drawing_leaves_the_settings_of_matplotlib_alone():
    import matplotlib as mpl

    before = dict(mpl.rcParams)
    front_figure(front(3), labels(3))
    assert dict(mpl.rcParams) == before


def test_a_run_is_drawn_with_its_names(finished):
    figures = result_figures(finished[0])
    assert list(figures) == ["front", "indicators", "weights"]
    assert {"known front"} <= texts(figures["front"])
    assert any("hypervolume" in text and "2,000 environment steps" in text for text in texts(figures["front"]))
    assert "deep-sea-treasure-v0 · MORLD(MOQLearning)" in {text.strip() for text in texts(figures["front"])}


@pytest.mark.parametrize("m", [1, 2])
@pytest.mark.parametrize("value", [0.0, 340.0, 1e-9])
def test_a_single_point_has_room_and_its_number(m, value):
    axes = front_figure(np.full((1, m), value), labels(m)).axes[0]
    low, high = axes.get_xlim()
    room = 0.1 * value or 1.0
    assert np.isclose(high - low, 2 * room), "neither a thousandth of nothing nor a world of its own"
    assert f"{value:.5g}" in " ".join(texts(axes.figure))


def test_axes_say_that_returns_are_sums():
    figure = front_figure(front(2), labels(2))
    assert {"objective 0 [m/s, discounted sum]", "objective 1 [discounted sum]"} <= texts(figure)


def test_more_objectives_than_colours_are_drawn(tmp_path):
    values = front(32)
    for name, figure in (
        ("front", front_figure(values, labels(32), weights=values / 100)),
        ("weights", weights_figure(values / 100, labels(32), [str(i) for i in range(len(values))])),
    ):
        assert save_figure(figure, tmp_path / f"{name}.png").stat().st_size > 1000
