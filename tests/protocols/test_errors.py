import inspect

from protocols import errors
from protocols.errors import MessageError, UnknownType


def tree() -> list[type[MessageError]]:
    return [c for _, c in inspect.getmembers(errors, inspect.isclass) if issubclass(c, MessageError)]


def test_each_error_has_a_code_of_its_own_and_a_line_in_the_drawing():
    codes = [error.code for error in tree()]
    assert len(set(codes)) == len(codes)
    assert all(error.__name__ in (errors.__doc__ or "") for error in tree())


def test_the_unknown_type_is_a_fact_one_can_ask_for():
    assert UnknownType("vital.measured").type_name == "vital.measured"
