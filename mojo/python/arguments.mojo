"""What a function was called with from Python, and values of Python brought to Mojo: whatever does not fit is answered with
its name, what was expected and what was found.
"""

from std.python import Python, PythonObject

comptime MAX_SEED = 1 << 53
"""The greatest seed, as in configs."""


struct PythonArgs:
    """The arguments of one call, by name."""

    var call: String
    """The function with its parameters, as errors show it."""
    var names: List[String]
    var values: List[PythonObject]
    """One for each name; None for what was not given."""

    def __init__(
        out self, function: String, names: List[String], required: Int, args: PythonObject, kwargs: PythonObject
    ) raises:
        """Binds positional arguments and keywords to names, of which the first `required` must be given."""
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
        if kwargs._obj_ptr:  # null where there are none
            for key in kwargs:
                var at = self.place(String(py=key))
                if at < 0:
                    raise Error(self.call, ": expected no argument of the name ", String(py=key), ", found one")
                if given[at]:
                    raise Error(self.call, ": expected one value for ", self.names[at], ", found two")
                self.values[at] = kwargs[key]
                given[at] = True
        for i in range(required):
            if not given[i]:
                raise Error(self.call, ": expected a value for ", self.names[i], ", found none")

    def place(self, name: String) -> Int:
        """Where a name stands; -1: nowhere."""
        for i in range(len(self.names)):
            if self.names[i] == name:
                return i
        return -1

    def has(self, at: Int) -> Bool:
        """Whether an argument was given and is not None."""
        return self.values[at] is not Python.none()

    def whole(self, at: Int, default: Int, low: Int, high: Int) raises -> Int:
        """A whole number between `low` and `high`."""
        if not self.has(at):
            return default
        var value = whole_of(self.values[at], self.names[at])
        if value < low or value > high:
            raise Error(self.names[at], ": expected ", low, " to ", high, ", found ", value)
        return value

    def flag(self, at: Int, default: Bool) raises -> Bool:
        """A bool."""
        return flag_of(self.values[at], self.names[at]) if self.has(at) else default

    def text(self, at: Int, default: String) raises -> String:
        """A str."""
        if not self.has(at):
            return default
        if not is_a(self.values[at], "str"):
            raise Error(self.names[at], ": expected a str, found ", shown(self.values[at]))
        return String(py=self.values[at])

    def json(self, at: Int) raises -> String:
        """A dict as JSON."""
        if not is_a(self.values[at], "dict"):
            raise Error(self.names[at], ": expected a dict, found ", shown(self.values[at]))
        try:
            return String(py=Python.import_module("json").dumps(self.values[at]))
        except error:
            raise Error(
                self.names[at], ": expected what JSON can hold, found ", shown(self.values[at]), " (", error, ")"
            )

    def path(self, at: Int) raises -> String:
        """A path: a str or an object that stands for a path. Empty if it was not given."""
        if not self.has(at):
            return ""
        try:
            return String(py=Python.import_module("os").fsdecode(self.values[at]))
        except:
            raise Error(self.names[at], ": expected a path, found ", shown(self.values[at]))


def shown(value: PythonObject) raises -> String:
    """A value as Python writes it, of a length that suits an error."""
    return String(py=Python.import_module("reprlib").repr(value))


def is_a(value: PythonObject, name: String) raises -> Bool:
    """Whether a value is of a class of Python's own."""
    var builtins = Python.import_module("builtins")
    return Bool(py=builtins.isinstance(value, builtins.__getattr__(name)))


def whole_of(value: PythonObject, name: String) raises -> Int:
    """A whole number: an int, or what stands for one, as NumPy's do."""
    try:
        return Int(py=Python.import_module("operator").index(value))
    except:
        raise Error(name, ": expected a whole number of at most 64 bits, found ", shown(value))


def flag_of(value: PythonObject, name: String) raises -> Bool:
    """A truth value: True and False, 1 and 0, or what NumPy has of them."""
    try:
        # NumPy's bool is no number to `operator.index`.
        var number = Int(py=Python.import_module("builtins").int(value))
        if (number == 0 or number == 1) and Bool(py=value == PythonObject(number)):
            return number == 1
    except:
        pass
    raise Error(name, ": expected True or False, found ", shown(value))


def items_of(value: PythonObject, name: String) raises -> List[PythonObject]:
    """The items of a sequence, or of anything else to iterate over but text."""
    var out = List[PythonObject]()
    if not is_a(value, "str") and not is_a(value, "dict"):
        try:
            for item in value:
                out.append(item)
            return out^
        except:
            pass
    raise Error(name, ": expected a sequence, found ", shown(value))


def wholes_of(value: PythonObject, name: String) raises -> List[Int]:
    """Whole numbers."""
    var items = items_of(value, name)
    var out = List[Int](capacity=len(items))
    for i in range(len(items)):
        out.append(whole_of(items[i], String(name, "[", i, "]")))
    return out^
