"""What this package adds to the registry (:mod:`morl.registry`), by the door that every plug-in uses."""

COMPONENTS = {
    "solver": {
        "iwocs": "robust.iwocs:IWOCS",
        "nominal": "robust.baselines.nominal:Nominal",
        "domain_randomisation": "robust.baselines.domain_randomisation:DomainRandomisation",
        "m2td3": "robust.baselines.m2td3:M2TD3",
        "rarl": "robust.baselines.rarl:RARL",
        "ewok": "robust.baselines.ewok:EWoK",
        "action_robust": "robust.baselines.action_robust:ActionRobust",
    },
    "policy": {
        "composite": "robust.policies.composite:CompositePolicy",
    },
    "validity": {
        "predictive_coding": "robust.validity.predictive_coding:PredictiveCoding",
        "ensemble_disagreement": "robust.validity.ensemble_disagreement:EnsembleDisagreement",
        "always_valid": "robust.validity.always_valid:AlwaysValid",
    },
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
