"""What this package adds to the registry (:mod:`morl.registry`), by the door that every plug-in uses."""

COMPONENTS = {
    "uncertainty": {
        "box": "robust.uncertainty.box:Box",
        "ball": "robust.uncertainty.ball:Ball",
        "finite": "robust.uncertainty.finite:Finite",
        "rectangular": "robust.uncertainty.rectangular:Rectangular",
    },
    "search": {
        "grid": "robust.search.grid:GridSearch",
        "random": "robust.search.random:RandomSearch",
        "sobol": "robust.search.sobol:SobolSearch",
        "corners": "robust.search.corners:CornerSearch",
        "cma_es": "robust.search.cma_es:CMAESSearch",
        "bayesian": "robust.search.bayesian:BayesianSearch",
        "finite_differences": "robust.search.finite_differences:FiniteDifferenceSearch",
    },
}
"""Kind, name and target of every component."""
