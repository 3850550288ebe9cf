from __future__ import annotations


def test_a_build_delivers_what_the_chain_makes(toys, source):
    result = toys.build(toys.chain(source))
    assert result.executed == ("read", "join[1]", "join[2]", "join[3]")
    assert (toys.out / "result.txt").read_text() == "one two three four five sixjoin[1]join[2]join[3]"
    again = toys.build(toys.chain(source))
    assert again.executed == ()
    assert sum(toys.runs().values()) == 4
