"""A column for documents whose order means something."""

import json
from typing import TYPE_CHECKING, Any

from django.db import models

if TYPE_CHECKING:
    _Text = models.TextField[Any, Any]
else:
    _Text = models.TextField


class DocumentField(_Text):
    """A JSON document as text. PostgreSQL's `jsonb` sorts keys, but the order of a split's shares says who is in them."""

    def from_db_value(self, value: str | None, expression: Any, connection: Any) -> Any:
        """Return the document that is stored."""
        return None if value is None else json.loads(value)

    def to_python(self, value: Any) -> Any:
        """Return the document."""
        return json.loads(value) if isinstance(value, str) else value

    def get_prep_value(self, value: Any) -> Any:
        """Return the text to store."""
        return None if value is None else json.dumps(value, ensure_ascii=False)
