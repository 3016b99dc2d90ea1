"""Environments written in Python by name: those that were registered, and classes in modules.

A name in a file of a policy or a run is looked up among the registered ones and never imported, since anyone may have
written it. Names that the user gives, and those in files that the user trusts, lead to classes in modules, too.
"""

from __future__ import annotations

import functools
import importlib
import importlib.machinery
import re
import sys
from collections.abc import Callable
from typing import Any, TypeVar, overload

from twisterl._internal.written import written
from twisterl.errors import ConfigError, UnknownEnvError, UsageError

Factory = Callable[..., Any]
_F = TypeVar("_F", bound=Factory)

_registered: dict[str, Factory] = {}
# Those registered names of classes that stand for one environment, which was given as an object.
_objects: set[str] = set()
# An id of Gymnasium with its version, such as `LunarLander-v3`, `ALE/Pong-v5` or `module:Name-v0`.
_ID = re.compile(r"(?:[\w.]+:)?(?:[\w.-]+/)?[\w.-]+-v\d+")
# A folder in which modules are looked for beside `sys.path`, from the moment at which one is imported by name.
_extra_path: str | None = None


@overload
def register(env: str, factory: None = None) -> Factory: ...
@overload
def register(env: str, factory: _F) -> _F: ...
@overload
def register(env: _F) -> _F: ...
def register(env: str | Factory, factory: Factory | None = None) -> Factory:
    """Register an environment, so that files may name it.

    Args:
        env: the class or factory of the environment, which is registered under its dotted path; or the dotted path of a
            class, which is imported; or any other name, if a factory is given.
        factory: the class or factory of the environment.

    Returns:
        The class or factory, so that `register` can decorate it.

    Raises:
        ConfigError: the name is that of a built-in environment.
        UnknownEnvError: there is no environment class at this path.
    """
    if isinstance(env, str):
        name, made = env, factory
        if made is None:
            made = load(name)
        if made is None:
            raise UnknownEnvError(f"env: expected the path of an environment class, found {name!r} without a module")
    elif factory is None:
        name, made = path_of(env), env
    else:
        raise UsageError(f"env: expected a name before the factory, found {env!r:.100}")
    if not callable(made):
        raise UsageError(f"env: expected a class or a function, found {type(made).__name__}")
    from twisterl import _core

    if name in _core.env_names():
        raise ConfigError(f"env: expected another name than that of a built-in environment, found {name}")
    _registered[name] = made
    _objects.discard(name)
    return made


def register_object(name: str, copies: Factory) -> None:
    """Register a factory of copies of an environment that is given as an object, under the path of its class."""
    register(name, copies)
    _objects.add(name)


def forget_object(name: str) -> None:
    """Forget the object that was given under this name, so that the name is that of the class again."""
    if name in _objects:
        _objects.remove(name)
        del _registered[name]


def find(name: str, trusted: bool, is_native: bool) -> tuple[Factory | None, bool]:
    """Find an environment by name.

    Args:
        name: the name, such as `my_module.MyEnv`.
        trusted: whether its module may be imported.
        is_native: whether there is a native environment of this name, apart from its module path.

    Returns:
        The class or factory, or None if there is none; and True if there may be one but it is not trusted.
    """
    registered = _registered.get(name)
    if registered is not None:
        return registered if trusted else _with_params_of_file(registered), False
    if is_plugin(name):
        return None, False
    module, _ = _split(name)
    if not is_native and is_gymnasium_id(name):
        return (_maker_of_id(name), False) if trusted else (None, True)
    if not module or module.partition(".")[0] == "twisterl":
        return None, False
    if trusted:
        return load(name), False
    # The module path of a native environment is ignored, unless it is that of a module.
    return None, not is_native or _exists(module)


def is_plugin(name: str) -> bool:
    """Return True for names of native libraries and WebAssembly modules, which the program loads itself."""
    path = name.partition("#")[0]
    return name.startswith("wasm:") or path.lower().endswith((".wasm", ".so", ".dylib", ".dll"))


def given(env: Any, trusted: bool) -> tuple[str, Factory | None]:
    """Return the name of an environment that the user gives, and its class or factory if it is written in Python.

    Args:
        env: a name, a class or a factory.
        trusted: whether its parameters are the user's, too.
    """
    if isinstance(env, str):
        name = env
        from twisterl import _core

        # Built-in environments come first, also those whose names are ids of Gymnasium.
        factory = find(name, True, _split(name)[1] in _core.env_names())[0]
    elif callable(env):
        name, factory = path_of(env), env
    else:
        raise UsageError(f"env: expected a name, a class or a function, found {type(env).__name__}")
    return name, factory if trusted or factory is None else _with_params_of_file(factory)


def load(name: str) -> Factory | None:
    """Import the environment class at a dotted path; None if its module does not exist.

    Raises:
        UnknownEnvError: there is nothing or something else than an environment class at the path.
    """
    module, attribute = _split(name)
    if _extra_path is not None and _extra_path not in sys.path:
        sys.path.insert(0, _extra_path)
    try:
        found: Factory | None = getattr(importlib.import_module(module), attribute, None)
    except ModuleNotFoundError as error:
        if error.name is not None and (module + ".").startswith(error.name + "."):
            return None
        raise
    if name in _registered:  # by the module itself
        return _registered[name]
    if found is not None and is_environment(found):
        return found
    what = "nothing" if found is None else f"{type(found).__name__} {attribute}"
    raise UnknownEnvError(
        f"env_cls: expected a class with the methods reset and step at {name}, found {what} "
        "(a function that makes environments has to be registered: twisterl.register)"
    )


def is_environment(found: Any) -> bool:
    """Return True for an environment class, and for `gymnasium.make` and `gymnasium.make_vec`."""
    if isinstance(found, type):
        return callable(getattr(found, "reset", None)) and (
            callable(getattr(found, "step", None)) or callable(getattr(found, "next", None))
        )
    return _is_gymnasium_make(found) or _is(found, "gymnasium", "make_vec")


def path_of(env: Factory) -> str:
    """Return the dotted path of a class or function."""
    kind = type(env)
    module = getattr(env, "__module__", kind.__module__)
    return f"{module}.{getattr(env, '__qualname__', kind.__qualname__)}"


def is_gymnasium_id(name: str) -> bool:
    """Return True for what may be an id of Gymnasium with its version."""
    return _ID.fullmatch(name) is not None


def look_in(folder: str) -> None:
    """Find modules of environments in this folder, too."""
    global _extra_path
    _extra_path = folder


def _maker_of_id(name: str) -> Factory | None:
    """Return a factory of the environment of Gymnasium with this id; None if there is none."""
    try:
        import gymnasium
    except ImportError as error:
        raise UnknownEnvError(f"env_cls: {name} is an id of Gymnasium, which is not installed: {error}") from error
    try:
        gymnasium.spec(name)
    except gymnasium.error.Error as error:
        raise UnknownEnvError(f"env_cls: expected an id of Gymnasium, found {name}: {error!s:.300}") from error
    return functools.partial(gymnasium.make, name)


def _split(name: str) -> tuple[str, str]:
    module, _, attribute = name.replace(":", ".").rpartition(".")
    return module, attribute


def _exists(module: str) -> bool:
    """Return True if there may be a module of this name; imports nothing."""
    top = module.partition(".")[0]
    if top in sys.modules or top in sys.builtin_module_names:
        return True
    folders = sys.path if _extra_path is None else [*sys.path, _extra_path]
    return top.isidentifier() and importlib.machinery.PathFinder.find_spec(top, folders) is not None


def _is_gymnasium_make(found: Any) -> bool:
    return _is(found, "gymnasium", "make")


def _is(found: Any, module: str, *names: str) -> bool:
    """Return True for one of these members of a module; imports nothing."""
    loaded = sys.modules.get(module)
    return loaded is not None and any(found is getattr(loaded, name, None) for name in names)


def _with_params_of_file(factory: Factory) -> Factory:
    """Return a factory that can be called with the parameters in a file.

    Raises:
        UsageError: the factory imports what its parameters name.
    """
    made = factory
    while isinstance(made, functools.partial):
        made = made.func
    if _is_gymnasium_make(made):
        return functools.partial(_make_by_params_of_file, factory)
    makers = ("make", "make_vec", "GymEnv", "GymVectorEnv")
    if _is(made, "gymnasium", "make_vec") or _is(made, "twisterl.gym", *makers):
        raise UsageError(
            f"env: expected the name, class or factory of one environment, found {path_of(made)}, which would import "
            "what a file names"
        )
    return factory


def _make_by_params_of_file(make: Factory, **params: Any) -> Any:
    # An id such as `module:Name-v0` makes gymnasium import that module.
    env_id = params.get("id", "")
    if not isinstance(env_id, str) or ":" in env_id:
        raise UnknownEnvError(f"env.id: expected the id of a registered environment, found {env_id!r:.100}")
    # Wrappers of other packages, `twisterl.gym` among them, make an environment of the name in these parameters.
    for key in ("env_cls", "env_id"):
        if key in params:
            raise UnknownEnvError(
                f"env.{key}: expected no name of an environment beside env.id, found {params[key]!r:.100}"
            )
    return make(**params)


def native_functions(env: Any, params: dict[str, Any]) -> tuple[Any, str] | None:
    """Return the capsule of an environment that runs natively, and its parameters as JSON; None for any other.

    Args:
        env: the environment, an object of a class of an extension that `twisterl_plugin` or the crate `twisterl` made.
        params: the parameters that it was made with.
    """
    method = getattr(type(env), "__twisterl_env__", None)
    functions = None if method is None else env.__twisterl_env__()
    if functions is None:
        return None
    own = getattr(env, "params", None)
    return functions, written(own if isinstance(own, dict) else params, "env")
