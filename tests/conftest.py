"""What every test runs under."""

import os

from hypothesis import settings

# tests that import ONNX Runtime themselves do not send what it counts either
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

# read when keras is first imported; the other backends are not installed for the tests
os.environ.setdefault("KERAS_BACKEND", "torch")

# the same examples every time, so that a failure is a failure for everybody; HYPOTHESIS_PROFILE=random
# tries new ones. No deadlines: a core may be shared with others.
settings.register_profile("same", deadline=None, max_examples=60, derandomize=True)
settings.register_profile("random", deadline=None, max_examples=60)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "same"))

collect_ignore = ["readers/keras/tf_keras/make.py"]  # needs TensorFlow, which the tests do not
