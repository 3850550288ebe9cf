from __future__ import annotations


def test_a_build_delivers_what_the_chain_makes(toys, source):
    result = toys.build(toys.chain(source))
    assert result.executed == ("read", "join[1]", "join[2]", "join[3]")
    assert (toys.out / "result.txt").read_text() == "one two three four five sixjoin[1]join[2]join[3]"
    again = toys.build(toys.chain(source))
    assert again.executed == ()
    assert sum(toys.runs().values()) == 4


def test_a_step_has_its_own_current_and_temporary_folder(toys, source):
    toys.order(
        "join[1]", "import tempfile; Path('note.txt').touch(); tempfile.mkdtemp(); open(tempfile.mkstemp()[1]).close()"
    )
    toys.order(
        "join[2]",
        "import tempfile; assert not os.listdir(); assert not os.listdir(tempfile.gettempdir())",
    )
    toys.build(toys.chain(source))
    assert not list((toys.store.root / "work").iterdir())


def test_global_random_numbers_do_not_depend_on_the_step_before(toys, source):
    toys.edit_code("join", "(text + params.label)", "(text + str(__import__('random').random()))")
    graph = toys.graph(toys.read("read", source), toys.join("a", "read"), toys.join("b", "read", weight=2.0))
    toys.build(graph, jobs=1)
    assert toys.blob(graph, "a") == toys.blob(graph, "b")


def test_jobs_bound_how_many_steps_run_at_once(toys, source):
    for index in range(4):
        toys.order(
            f"s{index}",
            f"(FOLDER / 'in-{index}').touch(); import time; time.sleep(0.1); "
            f"n = len(list(FOLDER.glob('in-*'))); (FOLDER / 'in-{index}').unlink(); assert n <= 2, n",
        )
    steps = [toys.join(f"s{index}", "read") for index in range(4)]
    toys.build(toys.graph(toys.read("read", source), *steps), jobs=2)


def test_a_step_may_have_a_stage_of_any_memory_size(toys, source):
    toys.edit_code("join", "version=1,", "version=1, resources=Resources(memory_gb=10_000.0, cpu=64),")
    toys.reload("join")
    assert len(toys.build(toys.chain(source)).executed) == 4


def test_what_a_backend_logs_as_a_warning_is_told_and_kept(toys, source):
    order = 'import logging; logging.getLogger("i2v3d.backends.x").warning("too %s", "long", extra={"field": "prompt"})'
    toys.order("read", order)
    result = toys.build(toys.chain(source))
    assert result.is_success
    events = "\n".join(path.read_text() for path in result.log_dir.glob("*.jsonl"))
    assert "too long" in events
