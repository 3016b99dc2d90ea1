"""Arguments of calls from Python, and conversions of Python values to Mojo.

Every error gives the name of the argument, what was expected and what was found.
"""

from std.python import Python, PythonObject

from twisterl.io.integers import parse_unsigned


struct PythonArgs:
    """The arguments of one call."""

    var call: String
    """The signature of the function in error messages."""
    var names: List[String]
    """The names of the parameters."""
    var values: List[PythonObject]
    """The value of each parameter; None if it was not given."""

    def __init__(
        out self, function: String, names: List[String], required: Int, args: PythonObject, kwargs: PythonObject
    ) raises:
        """Binds positional and keyword arguments to `names`. Raises if one does not fit or one of the first `required`
        is missing.
        """
        self.call = String(function, "(", String(", ").join(names), ")")
        self.names = names.copy()
        self.values = List[PythonObject](length=len(names), fill=Python.none())
        var given = List[Bool](length=len(names), fill=False)
        var count = len(args)
        if count > len(names):
            raise Error(self.call, ": expected at most ", len(names), " arguments, found ", count)
        for i in range(count):
            self.values[i] = args[i]
            given[i] = True
        if kwargs._obj_ptr:  # null if there are none
            for key in kwargs:
                var at = self.find(String(py=key))
                if at < 0:
                    raise Error(self.call, ": expected no argument of the name ", String(py=key), ", found one")
                if given[at]:
                    raise Error(self.call, ": expected one value for ", self.names[at], ", found two")
                self.values[at] = kwargs[key]
                given[at] = True
        for i in range(required):
            if not given[i]:
                raise Error(self.call, ": expected a value for ", self.names[i], ", found none")

    def find(self, name: String) -> Int:
        """Returns the position of a parameter; -1 if there is none of this name."""
        for i in range(len(self.names)):
            if self.names[i] == name:
                return i
        return -1

    def has(self, at: Int) -> Bool:
        """Returns true if an argument was given and is not None."""
        return self.values[at] is not Python.none()

    def integer(self, at: Int, default: Int, low: Int, high: Int) raises -> Int:
        """Returns an argument as an integer from `low` to `high`."""
        if not self.has(at):
            return default
        var value = to_integer(self.values[at], self.names[at])
        if value < low or value > high:
            raise Error(self.names[at], ": expected ", low, " to ", high, ", found ", value)
        return value

    def seed(self, at: Int) raises -> UInt64:
        """Returns an argument as a seed; 0 if it was not given."""
        if not self.has(at):
            return 0
        var seed: Optional[UInt64] = None
        try:
            seed = parse_unsigned(String(py=Python.import_module("operator").index(self.values[at])))
        except:
            pass
        if not seed:
            raise Error(self.names[at], ": expected 0 to ", UInt64.MAX, ", found ", describe(self.values[at]))
        return seed.value()

    def boolean(self, at: Int, default: Bool) raises -> Bool:
        """Returns an argument as a boolean."""
        return to_boolean(self.values[at], self.names[at]) if self.has(at) else default

    def string(self, at: Int, default: String) raises -> String:
        """Returns an argument as a string."""
        if not self.has(at):
            return default
        if not is_a(self.values[at], "str"):
            raise Error(self.names[at], ": expected a str, found ", describe(self.values[at]))
        return String(py=self.values[at])

    def json(self, at: Int) raises -> String:
        """Returns an argument, which must be a dict, as JSON."""
        if not is_a(self.values[at], "dict"):
            raise Error(self.names[at], ": expected a dict, found ", describe(self.values[at]))
        try:
            return String(py=Python.import_module("json").dumps(self.values[at]))
        except error:
            raise Error(
                self.names[at],
                ": expected a dict that can be written as JSON, found ",
                describe(self.values[at]),
                " (",
                error,
                ")",
            )

    def path(self, at: Int) raises -> String:
        """Returns an argument, a str or a path-like object, as a path; empty if it was not given."""
        if not self.has(at):
            return ""
        try:
            return String(py=Python.import_module("os").fsdecode(self.values[at]))
        except:
            raise Error(self.names[at], ": expected a path, found ", describe(self.values[at]))


def describe(value: PythonObject) raises -> String:
    """Returns the abbreviated `repr` of a value, for error messages."""
    return String(py=Python.import_module("reprlib").repr(value))


def is_a(value: PythonObject, name: String) raises -> Bool:
    """Returns true if a value is an instance of the built-in class `name`."""
    var builtins = Python.import_module("builtins")
    return Bool(py=builtins.isinstance(value, builtins.__getattr__(name)))


def to_integer(value: PythonObject, name: String) raises -> Int:
    """Converts an integer of Python or NumPy."""
    try:
        return Int(py=Python.import_module("operator").index(value))
    except:
        raise Error(name, ": expected a whole number of at most 64 bits, found ", describe(value))


def to_boolean(value: PythonObject, name: String) raises -> Bool:
    """Converts True and False, or 1 and 0, of Python or NumPy."""
    try:
        # `operator.index` does not accept the bool of NumPy.
        var number = Int(py=Python.import_module("builtins").int(value))
        if (number == 0 or number == 1) and Bool(py=value == PythonObject(number)):
            return number == 1
    except:
        pass
    raise Error(name, ": expected True or False, found ", describe(value))


def to_items(value: PythonObject, name: String) raises -> List[PythonObject]:
    """Returns the items of an iterable that is neither a str nor a dict."""
    var out = List[PythonObject]()
    if not is_a(value, "str") and not is_a(value, "dict"):
        try:
            for item in value:
                out.append(item)
            return out^
        except:
            pass
    raise Error(name, ": expected a sequence, found ", describe(value))


def to_integers(value: PythonObject, name: String) raises -> List[Int]:
    """Converts an iterable of integers."""
    var items = to_items(value, name)
    var out = List[Int](capacity=len(items))
    for i in range(len(items)):
        out.append(to_integer(items[i], String(name, "[", i, "]")))
    return out^
