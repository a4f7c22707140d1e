"""Password hashes and tokens."""

from hub import security


def test_passwords_are_salted_and_checked() -> None:
    stored = security.hash_password("correct horse battery")
    assert stored.startswith("$argon2id$")
    assert security.check_password("correct horse battery", stored)
    assert not security.check_password("wrong", stored)
    assert not security.check_password("wrong", "no hash at all")
    assert not security.check_password("correct horse battery", None)


def test_tokens_are_stored_as_hashes() -> None:
    token = security.new_token()
    assert token != security.new_token()
    assert token.encode() not in security.token_hash(token)


def test_every_role_has_its_row_and_nobody_unknown_has_rights() -> None:
    assert set(security.PERMISSIONS) == set(security.ROLES)
    assert security.permissions_of("surgeon") == frozenset()
