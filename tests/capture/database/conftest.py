"""A server for the tests of databases."""

import pytest
from tests.served import cluster


@pytest.fixture(scope="session")
def served():
    """The server."""
    with cluster() as url:
        yield url


@pytest.fixture
def sky(served):
    """The URL of an empty database that is called sky."""
    import psycopg

    with psycopg.connect(served.format("postgres"), autocommit=True) as admin:
        admin.execute("DROP DATABASE IF EXISTS sky WITH (FORCE)")
        admin.execute("CREATE DATABASE sky")
    return served.format("sky")
