import typing

import pytest

from i2v3d.stages import load_stages

STAGES = [stage for stage in load_stages().values() if stage.capability is not None]


@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: stage.kind)
def test_a_stage_names_the_protocol_that_its_backend_has(stage):
    assert typing.get_type_hints(stage.run)["backend"].__name__ == stage.capability
