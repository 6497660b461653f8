import unittest

from plugin import Plugin
from weir_sdk import Batch, Column, Operation


class MaskerTest(unittest.TestCase):
    def test_salaries_become_null_whatever_they_are_called(self):
        plugin = Plugin({})
        columns = [Column("id", source="id"), Column("x", source="salary")]
        self.assertEqual(plugin.plan(1, columns, Operation("sql.query")).wanted, [1])
        self.assertEqual(plugin.mask(1, Batch.of((1, "4100"), (1, "5200"))).nulls, [0, 1])


if __name__ == "__main__":
    unittest.main()
