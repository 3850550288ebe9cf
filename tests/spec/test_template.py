"""Templates: the text is what jinja2 makes of it, and every place leads back to the template."""

from pathlib import Path

import jinja2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from i2v3d.errors import SpecError
from i2v3d.spec.template import render_template
from i2v3d.spec.template_child import render
from i2v3d.spec.yaml_marks import parse_yaml

FILE = Path("scene.yaml.j2")
PIECES = st.sampled_from(
    [
        "a: 1\n",
        "  b: {{ x }}\n",
        "{{ x }}: [1, {{ x }}, 2]\n",
        "{% if x %}\nc: 2\n{% endif %}\n",
        "{%- if x -%} d: 3 {%- endif %}\n",
        "{% for i in range(2) %}\n  e{{ i }}: {{ i }}\n{% endfor %}\n",
        "{% for i in range(3) -%}\n  f{{ i }},\n{%- endfor %}\n",
        "{# a comment #}\n",
        "g: 4 # {# inline #}\n",
        "{% set y = x ~ 'z' %}\nh: {{ y }}\n",
        "{% set y %} caught {{ x }} {% endset %}i: {{ y | trim | length }}\n",
        "{% macro m(v) %}\n  j: {{ v }}\n{% endmacro %}\n{{ m(x) }}\n",
        "{% raw %}{{ not }}{% endraw %}\n",
        "{% filter upper %}k: {{ x }}{% endfilter %}\n",
        "   {{ x | indent(2) }}\n",
        "\n",
        "l:\r\n  - {{ x }}\r\n",
        "m: {{ x -}}\n   n\n",
    ]
)


@settings(max_examples=60, deadline=None)
@given(st.lists(PIECES, max_size=6), st.sampled_from(["v", "two\nlines", ""]))
def test_the_text_is_exactly_what_jinja2_renders(pieces, value):
    template = "".join(pieces)
    environment = jinja2.Environment(trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True)
    wanted = environment.from_string(template).render(x=value)
    answer = render(template, {"x": value})
    assert answer["text"] == wanted
    assert len(answer["rows"]) == wanted.count("\n") + 1


TEMPLATE = """\
{% macro key(at) %}
  - {at: {{ at }}, zoom: 2}
{% endmacro %}
name: {{ name }}-x
objects:
{% for i in range(2) %}
  thing{{ i }}:
    {% if i == 1 %}
    height: {{ i }}m
    {% endif %}
    class: [{{ name }}, plain]
{% endfor %}
camera:
{{ key("1s") }}
{{ key("2s") }}
"""


@pytest.mark.parametrize(
    ("path", "place"),
    [
        (("name",), (4, 7)),
        (("objects", "thing0"), (7, 3)),
        (("objects", "thing1"), (7, 3)),
        (("objects", "thing1", "height"), (9, 5)),
        (("objects", "thing1", "class"), (11, 5)),
        (("camera",), (13, 1)),
    ],
)
def test_keys_lead_back_to_the_line_and_column_of_the_template(path, place):
    rendered = render_template(FILE, TEMPLATE, {"name": "cat"})
    tree = parse_yaml(rendered.text, rendered.source)
    mark = tree.key_mark(path) if path != ("name",) else tree.find(path).mark
    assert (mark.line, mark.column) == place


def test_values_lead_back_through_loops_and_macros():
    rendered = render_template(FILE, TEMPLATE, {"name": "cat"})
    tree = parse_yaml(rendered.text, rendered.source)
    places = [
        (tree.find(path).mark.line, tree.find(path).mark.column)
        for path in (("camera", 0, "at"), ("camera", 1, "zoom"), ("objects", "thing0", "class", 1))
    ]
    assert places == [(2, 10), (2, 26), (11, 25)]


@pytest.mark.parametrize(
    "reach",
    [
        "''.__class__",
        "(1).__class__.__bases__",
        "''|attr('__class__')",
        "self.__init__.__globals__",
        "cycler.__init__.__globals__.os",
        "lipsum.__globals__['os'].system('true')",
        "joiner.__init__",
        "''['__class__']",
        "'{0.__class__}'.format(1)",
        "range.__self__",
    ],
)
def test_reaching_out_of_the_sandbox_is_refused(reach):
    with pytest.raises(SpecError) as caught:
        render_template(FILE, f"a: 1\nb: {{{{ {reach} }}}}\n", {})
    assert caught.value.problems[0].line == 2


def test_the_environment_of_the_process_is_not_visible():
    with pytest.raises(SpecError, match="'environ' is undefined"):
        render_template(FILE, "a: {{ environ }}\n", {})


def test_a_private_use_character_is_refused():
    with pytest.raises(SpecError, match="1:4  a private-use character"):
        render_template(FILE, "a: \ue000\n", {})


def test_an_undefined_name_suggests_a_given_one():
    with pytest.raises(SpecError, match=r"'heigth' is undefined; did you mean `height`\?"):
        render_template(FILE, "a: {{ heigth }}\n", {"height": 3})


def test_what_never_returns_to_python_is_ended():
    with pytest.raises(SpecError, match="too much"):
        render_template(FILE, "a: {{ ('x' * 999999999) ~ ('x' * 999999999) }}\n", {})
