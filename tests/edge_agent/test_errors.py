"""Every error stands in the drawn tree, and its text says where."""

from pathlib import Path

from edge_agent import errors


def test_the_drawing_names_every_error():
    classes = {
        name: value
        for name, value in vars(errors).items()
        if isinstance(value, type) and value.__module__ == errors.__name__
    }
    assert all(issubclass(value, errors.EdgeError) for value in classes.values())
    drawn = {word for line in errors.__doc__.splitlines() for word in line.replace("─", " ").split()[:2]}
    drawn |= {line.split("── ")[1].split()[0] for line in errors.__doc__.splitlines() if "── " in line}
    assert classes.keys() <= drawn


def test_store_errors_name_the_file():
    path = Path("/data/outbox.db")
    for error in (
        errors.StoreClosed(path),
        errors.StoreFull(path),
        errors.StoreCorrupt(path, "x"),
        errors.StoreTooNew(path, 3, 2),
        errors.WrongKey(path),
        errors.SealBroken(path),
    ):
        assert isinstance(error, errors.StoreError)
        assert error.path == path
        assert str(path) in str(error)
