"""The choices that a budget makes: more memory is never worse, and what is chosen fits where anything does."""

from dataclasses import replace

import pytest

from i2v3d.backends.memory import (
    RESERVE_GB,
    FrameSize,
    plan_clip,
    plan_depths,
    plan_embeddings,
    plan_keyframes,
    plan_training,
    vace_needs_gb,
)

SIZE = FrameSize(576, 1024, 16)
BUDGETS = (2, 4, 6, 8, 10, 12, 16, 24, 32, 48, 80, 141)
PLANS = {
    "keyframes": lambda size, budget: plan_keyframes(size, budget),
    "clip": lambda size, budget: plan_clip(size, budget, host_gb=64),
    "training": lambda size, budget: plan_training(size, budget),
}


@pytest.mark.parametrize("kind", PLANS)
def test_what_is_chosen_fits_wherever_anything_does(kind):
    smallest = PLANS[kind](SIZE, 0).needs_gb
    for budget in BUDGETS:
        needs = PLANS[kind](SIZE, budget).needs_gb
        assert needs <= budget or (budget < smallest and needs == smallest), budget


@pytest.mark.parametrize("kind", PLANS)
def test_all_the_memory_there_is_keeps_everything(kind):
    plan = PLANS[kind](SIZE, 1000)
    assert "kept" in plan.summary or "all networks stay" in plan.summary
    assert plan.needs_gb > RESERVE_GB


@pytest.mark.parametrize("kind", PLANS)
def test_larger_pictures_and_wider_numbers_need_more(kind):
    plan = PLANS[kind]
    assert plan(replace(SIZE, height=1152), 1000).needs_gb > plan(SIZE, 1000).needs_gb
    assert plan(replace(SIZE, precision="fp32"), 1000).needs_gb > 1.8 * (plan(SIZE, 1000).needs_gb - RESERVE_GB)


def test_keyframes_give_up_batches_before_they_move_networks():
    plans = [plan_keyframes(SIZE, budget) for budget in reversed(BUDGETS)]
    order = ["all", "one network", "taking turns"]
    ranks = [order.index(plan.residency) for plan in plans]
    assert ranks == sorted(ranks)
    assert {"all", "taking turns"} <= {plan.residency for plan in plans}
    resident = [plan.target_batch for plan in plans if plan.residency == "all"]
    assert resident == sorted(resident, reverse=True)
    assert resident[-1] < resident[0]


def test_a_window_is_never_split():
    assert all(plan_keyframes(SIZE, budget, window=6).target_batch >= 6 for budget in BUDGETS)


def test_a_picture_too_large_for_the_device_is_decoded_beside_it():
    plan = plan_keyframes(FrameSize(2160, 4096, 1), 16)
    assert plan.is_vae_on_host
    assert not plan_keyframes(FrameSize(2160, 4096, 1), 80).is_vae_on_host


def test_a_clip_is_decoded_whole_before_anything_else_is_kept():
    plans = [plan_clip(SIZE, budget) for budget in BUDGETS]
    whole = [plan for plan in plans if plan.decode_chunk is None]
    assert whole
    assert any(plan.storage is None for plan in whole)
    assert all(plan.decode_overlap < plan.decode_chunk for plan in plans if plan.decode_chunk is not None)


def test_features_wait_in_host_memory_only_where_there_is_enough_of_it():
    assert plan_clip(SIZE, 40, host_gb=100).storage == "host"
    assert plan_clip(SIZE, 40, host_gb=10).storage is None
    assert plan_clip(SIZE, 1000, host_gb=0).storage == "device"


def test_the_second_video_model_has_an_estimate():
    assert vace_needs_gb(FrameSize(480, 832, 33, "bf16")) > 10.5  # its text encoder alone


def test_training_takes_the_fastest_way_that_fits():
    def way(budget_gb, **changes):
        plan = plan_training(replace(FrameSize(1024, 1024, 2), **changes), budget_gb)
        return plan.is_joint, plan.is_checkpointed

    assert way(80) == (True, False)
    assert way(20) == (True, True)
    assert way(20, height=512, width=512) == (True, False)
    assert way(1) == (False, True)
    assert way(32, precision="fp32") == (True, True)
    # Larger photos are learnt at SDXL's own size.
    assert plan_training(FrameSize(2160, 3840, 2), 80).needs_gb == plan_training(FrameSize(1024, 1024, 2), 80).needs_gb


@pytest.mark.parametrize("plan", [plan_embeddings, lambda budget: plan_depths(budget, 518, 924)])
def test_a_measuring_model_sees_as_many_pictures_at_once_as_fit(plan):
    at_once = [plan(budget).at_once for budget in (0, 1, 2, 3, 4, 8, 80, float("inf"))]
    assert at_once[0] == 1
    assert at_once == sorted(at_once)
    assert at_once[-1] > 1
    assert all(plan(budget).needs_gb <= budget for budget in (3, 4, 8, 80))
