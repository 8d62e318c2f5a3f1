"""The arithmetic, targets, report and plot, from a small run that is written here. Nothing is measured."""

import unittest
import xml.etree.ElementTree as xml

import importlib.util
from pathlib import Path

import figures
import loads
import plot
import report
import targets
from measure import LOADED
from works import WORKS

spec = importlib.util.spec_from_file_location("suite_main", Path(__file__).parents[1] / "__main__.py")
suite = importlib.util.module_from_spec(spec)
spec.loader.exec_module(suite)


def one(work, contender, number, cost, **more):
    return {"work": work, "contender": contender, "round": number, "micros_per_request": cost, **more}


def results():
    found = []
    # The second round is slow for both: ratios within a round do not see it.
    for number, slow in enumerate([1.0, 3.0, 1.0]):
        found.append(one("hello", "narae", number, 9.0 * slow, other_cores=0.1, p50_ms=0.5))
        found.append(one("hello", "axum", number, 10.0 * slow, other_cores=0.3))
        found.append(one("hello", "floor", number, 6.0 * slow, other_cores=0.0))
        found.append(one("hello", "express", number, 900.0 * slow))
        found.append(one("file-1m", "narae", number, 200.0))
        found.append(one("file-1m", "h2o", number, 300.0))
        found.append(one("file-1m", "caddy", number, 160.0))
        found.append({"work": "idle", "contender": "narae", "round": number, "bytes_each": 1000.004})
    return found


def run():
    works = [WORKS["hello"], WORKS["file-1m"], WORKS["idle"]]
    return {
        "began": "2026-01-02 03:04", "minutes": 5, "command": "cargo xtask bench", "rounds": 3, "seconds": 2,
        "quick": False, "allocator": "system", "revision": "abc", "versions": {"rustc": "1.95.0"},
        "machine": {"processor": "A <fast> one", "cores": 2, "memory_gib": 4.0, "system": "Debian", "kernel": "6.1"},
        "contenders": [{"name": "narae", "version": "0.1.0", "title": "this"}],
        "works": suite.described_works(works, ["all"]),
        "failures": [{"work": "hello", "contender": "nginx", "round": 0, "reason": "it broke\nmore"}],
        "results": results(),
    }


class Figures(unittest.TestCase):
    def test_a_ratio_is_the_median_of_the_ratios_within_a_round(self):
        uneven = [one("w", "a", 0, 1), one("w", "b", 0, 2), one("w", "a", 1, 90), one("w", "b", 1, 100),
                  one("w", "a", 2, 3), one("w", "b", 2, 4)]
        self.assertAlmostEqual(figures.ratio(uneven, "w", "a", "b", "micros_per_request"), 0.75)

    def test_rounds_in_which_one_failed_do_not_count(self):
        found = [one("w", "a", 0, 1), one("w", "a", 1, 5), one("w", "b", 1, 10)]
        self.assertEqual(figures.ratio(found, "w", "a", "b", "micros_per_request"), 0.5)
        self.assertIsNone(figures.ratio(found, "w", "a", "c", "micros_per_request"))

    def test_spreads_have_three_figures(self):
        self.assertEqual(figures.spread([9.0, 8.5, 10.0]), "9.00 (8.50–10.00)")
        self.assertEqual(figures.spread([1234.5]), "1,234 (1,234–1,234)")
        self.assertEqual(figures.spread([]), "–")

    def test_quantiles_are_values_that_occurred(self):
        values = list(range(1, 1001))
        told = [loads.quantile(values, share) for share in (0.5, 0.99, 0.999)]
        self.assertEqual(told, [500, 990, 999])
        self.assertEqual(loads.quantile([7], 0.999), 7)


class Targets(unittest.TestCase):
    def judged(self, work, peer):
        return next(one for one in targets.judge(results()) if one.target.work == work and one.target.peer == peer)

    def test_met_and_missed_targets_are_told_apart(self):
        self.assertAlmostEqual(self.judged("hello", "axum").measured, 0.9)
        self.assertTrue(self.judged("hello", "axum").is_met)
        self.assertAlmostEqual(self.judged("hello", "floor").measured, 1.5)
        self.assertFalse(self.judged("hello", "floor").is_met)

    def test_what_was_not_measured_is_neither(self):
        self.assertIsNone(self.judged("hello", "actix").is_met)

    def test_the_cheapest_peer_is_found(self):
        judged = self.judged("file-1m", "cheapest")
        self.assertEqual((judged.peer, judged.measured), ("caddy", 1.25))

    def test_a_bound_without_a_peer_holds_to_two_digits(self):
        self.assertTrue(self.judged("idle", None).is_met)

    def test_every_target_is_of_a_work_and_contenders_that_exist(self):
        for target in targets.TARGETS:
            work = WORKS[target.work]
            self.assertIn(target.name, work.contenders)
            if target.peer not in (None, "cheapest"):
                self.assertIn(target.peer, work.contenders)


class Report(unittest.TestCase):
    def setUp(self):
        self.text = report.markdown(run())

    def test_targets_are_a_table(self):
        self.assertIn("| hello to axum | ≤ 1.00 × | 0.90 × | yes |", self.text)
        self.assertIn("| hello to floor | ≤ 1.35 × | 1.50 × | **no** |", self.text)
        self.assertNotIn("| hello to actix |", self.text)

    def test_contenders_are_ordered_by_cost_and_narae_is_compared(self):
        rows = [line for line in self.text.split("\n") if "(9.00–27.0" in line or "(10.00–30.00)" in line]
        self.assertEqual(len(rows), 2)
        self.assertTrue(rows[0].startswith("| **narae** | 9.00 (9.00–27.00) | – |"))
        self.assertIn("| 0.90 × |", rows[1])

    def test_failures_noise_and_the_command_are_told(self):
        self.assertIn("- hello, nginx, round 1: it broke\n", self.text)
        self.assertIn("0.10 cores (median), 0.30 at most", self.text)
        self.assertIn("cargo xtask bench", self.text)

    def test_all_rows_of_a_table_have_as_many_cells(self):
        width = None
        for line in self.text.split("\n"):
            if not line.startswith("|"):
                width = None
                continue
            self.assertEqual(line.count("|"), width or line.count("|"), line)
            width = line.count("|")


class Plot(unittest.TestCase):
    def setUp(self):
        self.root = xml.fromstring(plot.svg(run()))

    def words(self):
        return ["".join(each.itertext()) for each in self.root.iter("{http://www.w3.org/2000/svg}text")]

    def test_it_is_xml_with_a_bar_for_each_contender(self):
        bars = [each for each in self.root.iter("{http://www.w3.org/2000/svg}rect") if "bar" in each.get("class", "")]
        self.assertEqual(len(bars) - 3, 4 + 3 + 1)  # without those of the legend
        for bar in bars:
            self.assertLessEqual(float(bar.get("x")) + float(bar.get("width")), plot.WIDTH)

    def test_names_units_and_values_are_written(self):
        words = self.words()
        for expected in ("narae", "floor", "µs CPU per request", "9.00", "900", "bytes of memory each"):
            self.assertIn(expected, words)

    def test_a_bar_far_beyond_the_others_is_broken_off(self):
        breaks = [each for each in self.root.iter("{http://www.w3.org/2000/svg}path") if each.get("class") == "break"]
        self.assertEqual(len(breaks) - 1, 1)


class Choice(unittest.TestCase):
    def test_narae_always_stands_and_stands_follow_their_contender(self):
        self.assertEqual(suite.chosen(WORKS["hello"], ["none"]), ["narae"])
        self.assertEqual(suite.chosen(WORKS["hello"], ["nginx", "h2o"]), ["narae", "nginx", "h2o"])
        names = suite.chosen(WORKS["session-read"], ["tower-sessions"])
        self.assertEqual(names[0], "narae embedded")
        self.assertEqual(names[-1], "tower-sessions memory")

    def test_quick_is_one_round_of_a_second(self):
        options = suite.arguments(["hello", "--quick", "--rounds", "9"])
        self.assertEqual((options.rounds, options.seconds), (1, 1))

    def test_the_numbers_of_wrk_become_latencies(self):
        self.assertTrue({"p50_ms", "p99_ms", "p999_ms"} <= {figure[0] for figure in LOADED.values()})
