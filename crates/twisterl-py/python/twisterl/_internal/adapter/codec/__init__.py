"""The forms in which environments give observations and take actions, by plain descriptions of their spaces.

Training uses them for what environments return, and policies for what their callers give. The descriptions travel with
policies (docs/policies.md), so that neither Gymnasium nor the environment is needed to read them.
"""

from twisterl._internal.adapter.codec.codec import Codec

__all__ = ["Codec"]
