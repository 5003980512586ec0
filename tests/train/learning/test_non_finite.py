"""The loss that is compared with the limit is the one that was computed."""

import pytest
import torch

FLOAT16 = {
    "class_path": "pytorch_lightning.plugins.MixedPrecision",
    "init_args": {
        "precision": "16-mixed",
        "device": "cpu",
        "scaler": {"class_path": "torch.amp.GradScaler", "init_args": {"device": "cpu"}},
    },
}


@pytest.mark.parametrize("accumulated", [1, 2])
def test_a_loss_that_is_scaled_for_float16_is_compared_without_the_scale(fit_here, config, capsys, accumulated):
    config["trainer"] |= {"plugins": [FLOAT16], "max_epochs": 1, "accumulate_grad_batches": accumulated}
    run_dir = fit_here(config | {"non_finite": {"above": 100.0}})
    assert torch.load(run_dir / "checkpoints/last.ckpt", weights_only=True)["MixedPrecision"]["scale"] > 1000
    with pytest.raises(SystemExit):
        fit_here(config | {"non_finite": {"above": 0.5}, "run_dir": f"{run_dir}2"})
    loss = float(capsys.readouterr().err.split("error: the loss is ")[1].split()[0])
    assert 0.5 < loss < 10
