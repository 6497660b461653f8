import unittest

from plugin import Plugin
from weir_sdk import Operation, Principal, SessionInfo


class PolicyTest(unittest.TestCase):
    def verdict(self, kind: str, table: str) -> str:
        plugin = Plugin({})
        plugin.open(SessionInfo("1", who=Principal("ann", kind=kind)))
        return plugin.decide(Operation("sql.query", "read", f"select * from {table}", [table])).verdict

    def test_keys_are_not_for_agents(self):
        self.assertEqual(self.verdict("agent", "public.api_keys"), "deny")
        self.assertEqual(self.verdict("human", "public.api_keys"), "abstain")
        self.assertEqual(self.verdict("agent", "public.orders"), "abstain")


if __name__ == "__main__":
    unittest.main()
