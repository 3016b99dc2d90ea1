"""The command line of the programs."""

from std.sys import argv, exit, stderr


struct Args(Copyable):
    """What was given: words, and options that begin with `--` and take a value."""

    var words: List[String]
    var names: List[String]
    var values: List[String]

    def __init__(out self, known: List[String], usage: String) raises:
        """Reads the command line. Raises, with the usage, for an option that is not `known` or has no value."""
        self.words = List[String]()
        self.names = List[String]()
        self.values = List[String]()
        var all = argv()
        var i = 1
        while i < len(all):
            var word = String(all[i])
            if not word.startswith("--"):
                self.words.append(word)
                i += 1
                continue
            if word not in known:
                raise Error("expected ", String(", ").join(known), ", found ", word, "\n", usage)
            if i + 1 == len(all):
                raise Error(word, ": expected a value, found the end of the line\n", usage)
            self.names.append(word)
            self.values.append(String(all[i + 1]))
            i += 2

    def get(self, name: String, default: String) -> String:
        """The value of an option, the last one if it was given twice."""
        var value = default
        for i in range(len(self.names)):
            if self.names[i] == name:
                value = self.values[i]
        return value

    def whole(self, name: String, default: Int) raises -> Int:
        """The value of an option as a whole number of at least 0."""
        var text = self.get(name, "")
        if text.byte_length() == 0:
            return default
        var fits = text.byte_length() < 17
        for byte in text.as_bytes():
            fits &= byte >= UInt8(ord("0")) and byte <= UInt8(ord("9"))
        if not fits:
            raise Error(name, ": expected a whole number, found ", text)
        return Int(text)


def fail(error: Error):
    """Ends a program that failed: says why, in one line and with exit code 2."""
    print("error:", error, file=stderr)
    exit(2)
