"""Every operation's equation, stated once, whatever dialect asks for it.

A dialect is a framework's spelling of networks: Keras (`layers/`), ONNX (`operators/`). It keeps what is its
own: settings and their checks, messages, names of weights, and, for layers, the ONNX form. It says in a `Layout`
how its tensors are ordered, and builders here return the equation in that order:

    layout = Layout(channels_last=True)                              # Keras: in[y, x, c], kernel[i, j, c, o]
    layout = Layout(channels_last=False, taps_first=False, lead=(n,))   # ONNX: in[n, c, y, x], kernel[o, c, i, j]

- `lead` holds the axes before the map's own, made by the dialect: `Axis("n", 8, "image")` where the batch counts,
  nothing where images are taken one by one. They pass through every builder untouched.
- `layout.image(channel, spatial)` puts things in the order of a map (axes, indices), `layout.kernel(taps, c, o)`
  in that of a kernel, which is also the order in which Σ runs.
- Axes are named alike in all dialects: t, y x or z y x along a map, i, j, h along a window, c for what is summed
  over, o for filters (`axes_of` names those of any tensor).

What moves a window is worked out first, for the spatial axes alone, and then used in any layout:

>>> from convscope.equations.convolution import convolution
>>> from convscope.equations.layout import Layout
>>> from convscope.equations.sliding import slide
>>> from convscope.notation import Axis, source, weight
>>> moves = slide((26, 24), (3, 5), strides=(1, 2))
>>> kernel, bias = weight("kernel"), weight("bias")
>>> print(convolution(moves, source((26, 24, 32)), kernel, bias, 64, 32, Layout()))
out[y, x, o] = bias[o] + Σ i<3, j<5, c<32  in[y + i, 2x + j, c] · kernel[i, j, c, o]
>>> torch = Layout(channels_last=False, taps_first=False, lead=(Axis("n", 8, "image"),))
>>> kernel = weight("weight")
>>> print(convolution(moves, source((8, 32, 26, 24)), kernel, bias, 64, 32, torch))
out[n, o, y, x] = bias[o] + Σ c<32, i<3, j<5  in[n, c, y + i, 2x + j] · weight[o, c, i, j]

Sizes may be numbers, symbols or unknown, wherever the shape can then still be said; where it cannot, builders
raise `NoEquation`. Nothing is imported here, so that a program loads only the families that it uses.
"""
