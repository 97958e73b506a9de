"""Cards of data that were never read, for tests that are about something else."""

from histoscribe.types import (
    Check,
    EncoderCard,
    EncoderUse,
    FoldCard,
    GeneMap,
    RunCard,
    RunEncoders,
    SectionCard,
    SpotSizes,
    TargetCard,
    TrainingCard,
)

SECTION = SectionCard(
    patient="P1",
    spots=240,
    dropped={"no counts": 1},
    notes=("0.5 um/px",),
    mpp=0.5,
    median_total=900.5,
    image_sha256="11",
    counts_sha256="22",
)
TARGET = TargetCard(
    panel="list",
    chosen_by="named in the settings",
    chosen_on=("S1",),
    n_training_spots=240,
    n_genes=2,
    genes_sha256="ab",
    transform="pearson-residuals",
    statistic="nothing",
    size_factors="total over all genes measured",
    absent_taken_as_zero={},
)
ENCODER = EncoderUse(
    encoder="colour_texture",
    layer=None,
    weights="none",
    tile_px=64,
    mpp=0.69,
    white_off_tissue=True,
    precision="float32",
    precision_used="float32",
)


def training_card(n_features: int, gene_names: tuple[str, ...] = ("ACTB", "ERBB2")) -> TrainingCard:
    """What training says of itself, for a predictor that no section was read for."""
    return TrainingCard(
        protocol="patient",
        validation="none",
        seed=0,
        training_spots={"S1": 240},
        sections={"S1": SECTION},
        spots_um=SpotSizes(diameter=(55.0, 55.0), pitch=(100.0, 100.0)),
        target=TARGET,
        gene_names=gene_names,
        n_features=n_features,
        train={},
        versions={"histoscribe": "0"},
        encoder=EncoderCard(licence="BSD-3-Clause", paper="a paper"),
        n_parameters=12,
    )


def run_card(
    patients: tuple[str, ...] = ("000", "001", "002"),
    leaky: str | None = None,
    maps: tuple[GeneMap, ...] = (),
) -> RunCard:
    """What a run says of itself; its best model is ridge."""
    return RunCard(
        protocol="section" if leaky else "patient",
        leaky=leaky,
        grouping="section" if leaky else "patient",
        seed=0,
        patients=patients,
        sections={"S1": SECTION, "S1-HLA": SECTION},
        folds=(
            FoldCard(
                name="P1",
                protocol="patient",
                leaky=None,
                validation="patient",
                train={"S1": 240},
                test={"S1-HLA": 240},
                inner=(),
            ),
        ),
        folds_sha256="ab12",
        target={f"fold-{leaky}-{i}": TARGET for i in range(2)},
        gene_labels={},
        inputs={"mpp": 0.69},
        encoder=RunEncoders(used=(ENCODER,), models={"ridge": "colour_texture"}),
        models={},
        train={},
        metrics=("pcc",),
        aggregation="mean",
        shuffled_runs=100,
        per_patient={"pcc": {"ridge": {"P1": None}}},
        constant_predictions={},
        best_model="ridge",
        maps=maps,
        checks=(
            Check(
                "depth-explains",
                "warning",
                "predicted depth explains the scores",
                "read pcc_given_depth",
            ),
        ),
        versions={"torch": "2.13.0"},
    )
