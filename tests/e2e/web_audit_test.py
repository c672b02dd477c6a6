#!/usr/bin/python3
"""Audit lines (PS3.15 A.5) of what is asked by HTTP: who searched, what left, what came, who was refused; and
no value of a key, neither there nor in the log."""
import json
import time
import unittest

import node
import stow_test

CT_TARGET = f"{stow_test.ROOT}/{stow_test.UID}1"
NAME = "Unmistakable"


class WebAuditTest(stow_test.ServedTest):
    def lines(self, event, count):
        """All of an event. A line is written when its answer has been sent: a line of the next request, which
        another thread answers, may be written before it. So their order says nothing."""
        path = self.folder / "audit.jsonl"
        for _ in range(100):
            made = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
            found = [line for line in made if line["event"] == event]
            if len(found) >= count:
                break
            time.sleep(0.05)
        self.assertEqual(len(found), count, found)
        return found

    def get(self, target, code=200, **headers):
        self.assertEqual(self.ask("GET", target, headers=headers)[0], code, target)

    def test_each_event_is_told_with_its_user(self):
        users = self.folder / "users"
        token = {role: "Bearer " + node.murpacs("user", "add", role, "--role", role, "--token", "--file",
                                                users).stdout.strip() for role in ("r", "rw")}
        served = self.serve("--set", f"web.users_file={users}", "--set",
                            f"log.audit={self.folder / 'audit.jsonl'}", "--set", "log.level=info")
        files = [stow_test.make_object(number)[0] for number in (1, 2, 3)]
        for role, code in (("r", 403), ("rw", 202)):
            self.assertEqual(self.ask("POST", stow_test.ROOT, stow_test.join(*files, b"no file"),
                                      {"Content-Type": stow_test.RELATED,
                                       "Authorization": token[role]})[0], code)
        reader = {"Authorization": token["r"]}
        self.get(f"{stow_test.ROOT}?PatientName={NAME}*", **reader)
        self.get(f"{CT_TARGET}/series?includefield=all&PatientBirthDate={NAME}", 400, **reader)
        self.get("/dicom-web/instances?limit=2", **reader)
        series = f"{CT_TARGET}/series/{stow_test.UID}1.1"
        one = f"{series}/instances/{stow_test.UID}1.1.1"
        for target in (CT_TARGET, series + "/metadata", one, one + "/frames/1", one + "/rendered"):
            self.get(target, **reader)
        self.get(one + "9", 404, **reader)
        self.get(CT_TARGET, 401, Authorization="Bearer guess")
        self.get(CT_TARGET, 401)
        caller = {"address": "127.0.0.1", "user": "r"}
        searches = self.lines("Query", 3)
        self.assertCountEqual([(line["service"], line["level"], line["answers"], line["outcome"])
                               for line in searches],
                              [("QIDO-RS", "STUDY", 0, 0), ("QIDO-RS", "SERIES", 0, 4), ("QIDO-RS", "IMAGE", 2, 0)])
        for line in searches:
            self.assertEqual(line["source"], caller)
        transferred = self.lines("DICOM Instances Transferred", 6)
        stored, = (line for line in transferred if line["service"] == "STOW-RS")
        sent = [line for line in transferred if line is not stored]
        self.assertEqual((stored["service"], stored["instances"], stored["outcome"], stored["studies"]),
                         ("STOW-RS", 3, 4, [stow_test.UID + "1"]))
        self.assertEqual((stored["source"]["user"], stored["destination"]["aeTitle"]), ("rw", "MURPACS"))
        self.assertCountEqual([(line["service"], line["instances"], line["outcome"]) for line in sent],
                              [("WADO-RS", count, 0) for count in (3, 3, 1, 1, 1)])
        for line in sent:
            self.assertEqual((line["destination"], line["studies"]), (caller, [stow_test.UID + "1"]))
        alerts = [line["source"] for line in self.lines("Security Alert", 2)]
        self.assertCountEqual([source.get("user") for source in alerts], ["r", None])
        self.assertIn({"address": "127.0.0.1"}, alerts)
        for text in ((self.folder / "audit.jsonl").read_text(encoding="utf-8"), served.log_text()):
            self.assertNotIn(NAME, text)


if __name__ == "__main__":
    unittest.main()
