import gzip

import numpy as np
import pytest
import scipy.sparse as sp

from histoscribe.data.measured_genes import drops_unseen_genes
from histoscribe.data.target import TargetSettings, fit_target
from histoscribe.metrics.moments import pearson_per_gene
from tests.data.fakes_for_data import fake_section


def her2st(folder, name):
    with gzip.open(folder / "her2st" / "ST-cnts" / f"{name}.tsv.gz", "rt") as file:
        genes = tuple(file.readline().rstrip("\n").split("\t")[1:])
        rows = [[int(value) for value in line.split("\t")[1:]] for line in file]
    return fake_section(name, name[0], sp.csr_matrix(np.array(rows)), genes)


@pytest.mark.data
def test_depth_explains_log1p_of_a_shallow_section_and_hardly_its_residuals(real_data):
    train, test = her2st(real_data, "C2"), her2st(real_data, "B4")
    assert drops_unseen_genes(train.measured)
    assert drops_unseen_genes(test.measured)
    depth = np.log1p(test.measured.total)[:, None]
    oracle = {}
    for transform in ("cp10k-log1p", "pearson-residuals"):
        parts = [(train, np.arange(len(train.spots)))]
        values = fit_target(parts, TargetSettings(transform=transform)).apply(test)
        line = np.tile(depth, (1, values.shape[1])).astype(np.float32)
        oracle[transform] = np.nanmean(np.abs(pearson_per_gene(line, values)))
    assert oracle["cp10k-log1p"] > 0.25  # 0.34 in the reference run
    assert oracle["pearson-residuals"] < 0.12  # 0.06
