"""The question that started the project: its snippets, to the letter, without any framework."""

from __future__ import annotations

import subprocess
import sys

import pytest

FIRST = """
from convscope import Sequential, Conv2D
model = Sequential()
model.add(Conv2D(32, kernel_size=(3, 3), activation='relu', input_shape=(28, 28, 1)))
model.add(Conv2D(64, (3, 3), activation='relu'))
for l in model.layers:
    if len(l.get_weights()) > 0:
        print(l.get_weights()[0].shape)
"""

SECOND = """
from convscope import Sequential, Convolution2D
model = Sequential([
    Convolution2D(32, 5, activation='relu', use_bias=False, input_shape=(28, 28, 3),),
    Convolution2D(64, 5, activation='relu', use_bias=False,),
])
model.summary({style})
"""

CLASSIC = """\
Model: "sequential"
_________________________________________________________________
Layer (type)                 Output Shape              Param #   
=================================================================
conv2d (Conv2D)              (None, 24, 24, 32)        2400      
_________________________________________________________________
conv2d_1 (Conv2D)            (None, 20, 20, 64)        51200     
=================================================================
Total params: 53,600
Trainable params: 53,600
Non-trainable params: 0
_________________________________________________________________
"""


def printed(code: str) -> str:
    """Return what a fresh Python prints for this code, where no framework can be imported."""
    guard = "import sys\nfor m in ('keras', 'tensorflow', 'torch'): sys.modules[m] = None\n"
    done = subprocess.run(
        [sys.executable, "-c", guard + code], check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout


def test_the_weights_of_the_second_layer_are_three_dimensional_filters() -> None:
    assert printed(FIRST) == "(3, 3, 1, 32)\n(3, 3, 32, 64)\n"


def test_the_classic_summary_character_for_character() -> None:
    # the figures are those of the question; the layout is Keras 2's, see tests/golden
    assert printed(SECOND.format(style="style='keras2'")) == CLASSIC


def test_the_summary_has_the_question_s_figures() -> None:
    text = printed(SECOND.format(style=""))
    for figure in ("24×24×32", "2,400", "20×20×64", "51,200", "53,600", "5×5×32×64"):
        assert figure in text, figure


@pytest.mark.parametrize("size", [28, 280])
def test_the_number_of_weights_does_not_depend_on_the_image(size: int) -> None:
    code = FIRST.replace("(28, 28, 1)", f"({size}, {size}, 1)") + "print(model.count_params())"
    assert printed(code).splitlines()[-1] == "18816"  # 3·3·1·32 + 32 + 3·3·32·64 + 64


def test_explaining_the_second_layer_answers_the_question() -> None:
    text = printed(FIRST + "print(model.explain('conv2d_1'))")
    flat = " ".join(text.split())
    assert "Why 64 maps, and not 32·64 = 2,048?" in flat
    assert "One filter is 3×3×32, not 3×3" in flat
    assert "3·3·32 = 288 a filter, × 64 filters = 18,432" in flat
    assert "a window of 3 rows fits at 24 starting rows, 0 … 23, of 26" in flat


def test_it_loads_numpy_and_no_more_of_convscope_than_it_needs() -> None:
    # a module takes a quarter of a millisecond to load, wherever it is from
    told = "import sys\nprint('loaded', *sys.modules)"
    # zlib is Python's: weights are drawn from a checksum, and numpy loads it too, on Python 3.11
    with_numpy = set(printed(f"import numpy, numpy.random, zlib\n{told}").split())
    whole = f"{FIRST}\nmodel.summary()\n{told}"
    more = set(printed(whole).splitlines()[-1].split()) - with_numpy - {"__future__"}
    ours = {name for name in more if name.partition(".")[0] == "convscope"}
    assert more == ours
    assert len(ours) <= 55, sorted(ours)
