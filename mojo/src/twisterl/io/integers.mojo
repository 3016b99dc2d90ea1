"""Whole numbers as text."""


def parse_unsigned(text: String) -> Optional[UInt64]:
    """Returns the number that decimal digits stand for; none if it is not below 2^64, or for other text."""
    var number = UInt64(0)
    for byte in text.as_bytes():
        if byte < UInt8(ord("0")) or byte > UInt8(ord("9")):
            return None
        var digit = (byte - UInt8(ord("0"))).cast[DType.uint64]()
        if number > (UInt64.MAX - digit) // 10:
            return None
        number = 10 * number + digit
    if text.byte_length() == 0:
        return None
    return number
