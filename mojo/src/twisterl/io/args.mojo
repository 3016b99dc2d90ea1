"""Command line arguments."""

from std.sys import argv, exit, stderr

from .integers import parse_unsigned


struct Args(Copyable):
    """The arguments of a program: positional ones, and options that begin with `--` and take a value."""

    var positional: List[String]
    var names: List[String]
    """The options given, in order."""
    var values: List[String]
    """The value of each option given."""

    def __init__(out self, options: List[String], usage: String) raises:
        """Parses the command line. Raises, with `usage`, for an option not in `options` or without a value."""
        self.positional = List[String]()
        self.names = List[String]()
        self.values = List[String]()
        var all = argv()
        var i = 1
        while i < len(all):
            var word = String(all[i])
            if not word.startswith("--"):
                self.positional.append(word)
                i += 1
                continue
            if word not in options:
                raise Error("options: expected ", String(", ").join(options), ", found ", word, "\n", usage)
            if i + 1 == len(all):
                raise Error(word, ": expected a value, found none\n", usage)
            self.names.append(word)
            self.values.append(String(all[i + 1]))
            i += 2

    def get(self, name: String, default: String) -> String:
        """Returns the value of an option; the last one if it was given twice."""
        var value = default
        for i in range(len(self.names)):
            if self.names[i] == name:
                value = self.values[i]
        return value

    def integer(self, name: String, default: Int) raises -> Int:
        """Returns the value of an option as an integer of at least 0."""
        var text = self.get(name, "")
        if text.byte_length() == 0:
            return default
        var fits = text.byte_length() < 17
        for byte in text.as_bytes():
            fits &= byte >= UInt8(ord("0")) and byte <= UInt8(ord("9"))
        if not fits:
            raise Error(name, ": expected a whole number of at most 16 digits, found ", text)
        return Int(text)

    def unsigned(self, name: String) raises -> Optional[UInt64]:
        """Returns the value of an option as a whole number below 2^64; none if it was not given."""
        var text = self.get(name, "")
        if text.byte_length() == 0:
            return None
        var number = parse_unsigned(text)
        if not number:
            raise Error(name, ": expected a whole number, at least 0 and below 2^64, found ", text)
        return number


def fail(error: Error):
    """Prints an error and exits with code 2."""
    print("error:", error, file=stderr)
    exit(2)
