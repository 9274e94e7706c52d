"""A column for documents whose order means something."""

import json
from typing import Any

from django.db import models


class DocumentField(models.TextField):
    """A JSON document as text. PostgreSQL's `jsonb` sorts keys, but the order of a split's shares says who is in them."""

    # For the type checker: what may be assigned, what is read.
    _pyi_private_set_type: Any
    _pyi_private_get_type: Any
    _pyi_lookup_exact_type: Any

    def from_db_value(self, value: str | None, expression: Any, connection: Any) -> Any:
        """Return the document that is stored."""
        return None if value is None else json.loads(value)

    def to_python(self, value: Any) -> Any:
        """Return the document."""
        return json.loads(value) if isinstance(value, str) else value

    def get_prep_value(self, value: Any) -> Any:
        """Return the text to store."""
        return None if value is None else json.dumps(value, ensure_ascii=False)
