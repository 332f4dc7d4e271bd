# Licensed under the Apache License, Version 2.0 (the "License"); you may
# not use this file except in compliance with the License. You may obtain
# a copy of the License at
#
#     http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS, WITHOUT
# WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the
# License for the specific language governing permissions and limitations
# under the License.

"""Which lists of flags are accepted, what becomes of them, and why not."""

import hypothesis
from hypothesis import strategies

from nova_blockmig.core import flag_rules
from nova_blockmig.core import flags
from nova_blockmig.tests.unit import base

# virDomainMigrateFlags of libvirt 12, in the order of its bits.
NAMES = [
    'LIVE',
    'PEER2PEER',
    'TUNNELLED',
    'PERSIST_DEST',
    'UNDEFINE_SOURCE',
    'PAUSED',
    'NON_SHARED_DISK',
    'NON_SHARED_INC',
    'CHANGE_PROTECTION',
    'UNSAFE',
    'OFFLINE',
    'COMPRESSED',
    'ABORT_ON_ERROR',
    'AUTO_CONVERGE',
    'RDMA_PIN_ALL',
    'POSTCOPY',
    'TLS',
    'PARALLEL',
    'NON_SHARED_SYNCHRONOUS_WRITES',
    'POSTCOPY_RESUME',
    'ZEROCOPY',
]
KNOWN = {f'VIR_MIGRATE_{name}': 1 << i for i, name in enumerate(NAMES)}
ARTICLE = 'UNDEFINE_SOURCE PEER2PEER NON_SHARED_INC'
NOVA = 'LIVE PEER2PEER PERSIST_DEST UNDEFINE_SOURCE NON_SHARED_INC'
VERSIONS = flags.Versions(libvirt=9000000, qemu=7002000)


def listed(words):
    return [f'VIR_MIGRATE_{word}' for word in words.split()]


def bits(words):
    return sum(KNOWN[name] for name in listed(words))


def effective(words, computed=NOVA, known=KNOWN, versions=VERSIONS):
    return flags.effective(listed(words), known, bits(computed), versions)


class TestAccepted(base.TestCase):
    def assert_used(self, expected, words, computed=NOVA):
        self.assertEqual(
            tuple(sorted(listed(expected))),
            tuple(sorted(flags.describe(effective(words, computed), KNOWN))),
        )

    def test_unset_leaves_novas_flags(self):
        for computed in (NOVA, f'{NOVA} TUNNELLED', ARTICLE):
            self.assertEqual(
                bits(computed),
                flags.effective(None, KNOWN, bits(computed), VERSIONS),
            )

    def test_article(self):
        """The guest is paused, and stays defined where it arrives."""
        self.assert_used(f'{ARTICLE} PERSIST_DEST', ARTICLE)

    def test_novas_own_flags_spelt_out(self):
        self.assert_used(NOVA, NOVA)

    def test_full_copy_replaces_the_incremental_one(self):
        self.assert_used(
            'LIVE PEER2PEER PERSIST_DEST UNDEFINE_SOURCE NON_SHARED_DISK',
            'LIVE PEER2PEER UNDEFINE_SOURCE NON_SHARED_DISK',
        )

    def test_each_switch_of_nova_stays(self):
        for switch in ('TLS', 'POSTCOPY', 'AUTO_CONVERGE', 'PARALLEL'):
            computed = f'{NOVA} {switch}'
            self.assert_used(computed, f'{ARTICLE} LIVE', computed)
            self.assert_used(computed, f'{ARTICLE} LIVE {switch}', computed)

    def test_each_allowed_flag_is_added(self):
        for rule in flag_rules.RULES:
            if rule.say is flag_rules.Say.ALLOWED:
                computed = NOVA
                if rule.name == 'ZEROCOPY':
                    computed += ' PARALLEL'
                self.assert_used(
                    f'{computed} {rule.name}',
                    f'{ARTICLE} LIVE {rule.name}',
                    computed,
                )


class TestRefused(base.TestCase):
    def problems(self, words, computed=NOVA, **kwargs):
        error = self.assertRaises(
            flags.InvalidFlags, effective, words, computed, **kwargs
        )
        return [
            (p.value.replace('VIR_MIGRATE_', ''), p.matches)
            for p in error.problems
        ]

    def sentence(self, names, computed=NOVA, known=KNOWN, **kwargs):
        error = self.assertRaises(
            flags.InvalidFlags,
            flags.effective,
            names,
            known,
            bits(computed),
            VERSIONS,
            **kwargs,
        )
        return str(error)

    def test_each_refused_flag(self):
        for rule in flag_rules.RULES:
            if rule.say is flag_rules.Say.REFUSED:
                self.assertEqual(
                    [(rule.name, ())],
                    self.problems(f'{ARTICLE} {rule.name}'),
                )

    def test_novas_flag_that_nova_does_not_use(self):
        for name in ('TLS', 'AUTO_CONVERGE', 'PARALLEL'):
            self.assertEqual([(name, ())], self.problems(f'{ARTICLE} {name}'))
        self.assertIn(
            'VIR_MIGRATE_TLS is set with [libvirt] '
            'live_migration_with_native_tls, which is not in effect',
            self.sentence(listed(f'{ARTICLE} TLS')),
        )

    def test_each_required_flag(self):
        self.assertEqual(
            [('PEER2PEER', ())],
            self.problems('LIVE UNDEFINE_SOURCE NON_SHARED_INC'),
        )
        self.assertEqual(
            [('UNDEFINE_SOURCE', ())],
            self.problems('LIVE PEER2PEER NON_SHARED_INC'),
        )

    def test_exactly_one_kind_of_copy(self):
        both = [('NON_SHARED_DISK and NON_SHARED_INC', ())]
        self.assertEqual(both, self.problems(f'{ARTICLE} NON_SHARED_DISK'))
        self.assertEqual(both, self.problems('PEER2PEER UNDEFINE_SOURCE'))

    def test_misspelt(self):
        for word, match in (
            ('NON_SHARED_INCC', 'NON_SHARED_INC'),
            ('COMPRESED', 'COMPRESSED'),
            ('live', 'LIVE'),
            ('ABORT_ON_EROR', 'ABORT_ON_ERROR'),
        ):
            (problem,) = self.problems(f'{ARTICLE} {word}')
            self.assertEqual(
                (word, f'VIR_MIGRATE_{match}'), (problem[0], problem[1][0])
            )

    def test_without_the_prefix(self):
        self.assertEqual(
            '[libvirt] block_migration_flag = VIR_MIGRATE_PEER2PEER,'
            'VIR_MIGRATE_UNDEFINE_SOURCE,VIR_MIGRATE_NON_SHARED_INC,'
            'TUNELLED cannot be used: TUNELLED is not a migration flag of '
            'libvirt (did you mean VIR_MIGRATE_TUNNELLED?)',
            self.sentence(
                [
                    *listed('PEER2PEER UNDEFINE_SOURCE NON_SHARED_INC'),
                    'TUNELLED',
                ],
                option='[libvirt] block_migration_flag',
            ),
        )

    def test_nothing_like_it(self):
        self.assertEqual([('QWERTY', ())], self.problems(f'{ARTICLE} QWERTY'))

    def test_duplicate(self):
        self.assertEqual(
            [('PEER2PEER', ())], self.problems(f'{ARTICLE} PEER2PEER')
        )

    def test_empty_list(self):
        self.assertEqual(
            '[blockmig] block_migration_flag = (empty) cannot be used: the '
            "list is empty: remove it to get Nova's own flags",
            self.sentence([]),
        )

    def test_empty_value(self):
        for empty in ('', ' '):
            self.assertIn(
                'an empty value is in the list',
                self.sentence([*listed(ARTICLE), empty]),
            )

    def test_not_in_the_binding(self):
        known = dict(KNOWN)
        del known['VIR_MIGRATE_NON_SHARED_DISK']
        self.assertIn(
            'VIR_MIGRATE_NON_SHARED_DISK is not in the installed '
            'libvirt-python',
            self.sentence(
                listed('PEER2PEER UNDEFINE_SOURCE NON_SHARED_DISK'),
                known=known,
            ),
        )

    def test_flag_of_a_later_libvirt(self):
        known = {**KNOWN, 'VIR_MIGRATE_TELEPORT': 1 << 30}
        self.assertIn(
            'VIR_MIGRATE_TELEPORT is newer than this nova-blockmig',
            self.sentence(listed(f'{ARTICLE} TELEPORT'), known=known),
        )

    def test_libvirt_too_old(self):
        old = flags.Versions(libvirt=7006000, qemu=7002000)
        error = self.assertRaises(
            flags.InvalidFlags,
            effective,
            f'{ARTICLE} NON_SHARED_SYNCHRONOUS_WRITES',
            versions=old,
        )
        self.assertEqual(
            'needs libvirt 8.0.0, and this host runs 7.6.0',
            error.problems[0].reason,
        )

    def test_qemu_too_old(self):
        old = flags.Versions(libvirt=9000000, qemu=6002000)
        error = self.assertRaises(
            flags.InvalidFlags,
            effective,
            f'{ARTICLE} ZEROCOPY',
            f'{NOVA} PARALLEL',
            versions=old,
        )
        self.assertEqual(
            'needs QEMU 7.1.0, and this host runs 6.2.0',
            error.problems[0].reason,
        )

    def test_novas_tunnel(self):
        self.assertEqual(
            [('[libvirt] live_migration_tunnelled', ())],
            self.problems(ARTICLE, f'{NOVA} TUNNELLED'),
        )

    def test_post_copy_needs_live(self):
        self.assertIn(
            'VIR_MIGRATE_POSTCOPY requires VIR_MIGRATE_LIVE, and '
            'VIR_MIGRATE_POSTCOPY is set with [libvirt] '
            'live_migration_permit_post_copy',
            self.sentence(listed(ARTICLE), f'{NOVA} POSTCOPY'),
        )

    def test_zero_copy_needs_parallel_and_nothing_that_reads_memory(self):
        zero = f'{ARTICLE} LIVE ZEROCOPY'
        self.assertEqual([('ZEROCOPY', ())], self.problems(zero))
        self.assertEqual(
            [('ZEROCOPY', ())],
            self.problems(zero, f'{NOVA} PARALLEL TLS'),
        )
        self.assertIn(
            ('ZEROCOPY', ()),
            self.problems(f'{zero} COMPRESSED', f'{NOVA} PARALLEL'),
        )

    def test_every_problem_is_named_at_once(self):
        self.assertEqual(
            [
                'LIVE',
                'PAUSED',
                'PEER2PEER',
                'UNDEFINE_SOURCE',
                'NON_SHARED_DISK and NON_SHARED_INC',
            ],
            [value for value, _ in self.problems('LIVE LIVE PAUSED')],
        )


class TestProperty(base.TestCase):
    names = strategies.lists(
        strategies.sampled_from(sorted(KNOWN)), max_size=len(KNOWN)
    )
    useful = names.map(
        lambda more: [
            *dict.fromkeys([*listed('PEER2PEER UNDEFINE_SOURCE'), *more])
        ]
    )
    switches = strategies.sets(
        strategies.sampled_from(
            ['TUNNELLED', 'TLS', 'POSTCOPY', 'AUTO_CONVERGE', 'PARALLEL']
        )
    )

    @hypothesis.settings(max_examples=1000, deadline=None)
    @hypothesis.given(strategies.one_of(names, useful), switches)
    def test_no_accepted_list_can_lose_data(self, names, switches):
        computed = bits(' '.join([NOVA, *switches]))
        try:
            used = flags.effective(names, KNOWN, computed, VERSIONS)
        except flags.InvalidFlags as e:
            self.assertTrue(e.problems)
            return
        copies = used & bits('NON_SHARED_DISK NON_SHARED_INC')
        self.assertEqual(1, copies.bit_count())
        must = bits('PEER2PEER UNDEFINE_SOURCE PERSIST_DEST')
        self.assertEqual(must, used & must)
        self.assertEqual(
            0,
            used
            & bits(
                'TUNNELLED PAUSED UNSAFE OFFLINE RDMA_PIN_ALL POSTCOPY_RESUME'
            ),
        )
        for switch in switches:
            self.assertTrue(used & bits(switch), switch)
        for name in names:
            self.assertTrue(used & KNOWN[name], name)

    def test_some_lists_are_accepted(self):
        """The property above is not about refusals alone."""
        found = hypothesis.find(
            self.useful,
            lambda names: len(names) > 4 and self._accepted(names),
            settings=hypothesis.settings(
                max_examples=20000, database=None, deadline=None
            ),
        )
        self.assertTrue(found)

    def _accepted(self, names):
        try:
            flags.effective(names, KNOWN, bits(NOVA), VERSIONS)
        except flags.InvalidFlags:
            return False
        return True


class TestOthers(base.TestCase):
    def test_describe_in_the_order_of_bits(self):
        self.assertEqual(
            ('VIR_MIGRATE_LIVE', 'VIR_MIGRATE_TLS', '0x40000000'),
            flags.describe(1 << 30 | bits('TLS LIVE'), KNOWN),
        )
        self.assertEqual((), flags.describe(0, KNOWN))

    def test_caution_without_live(self):
        (caution,) = flags.cautions(bits(ARTICLE), KNOWN)
        self.assertIn('without VIR_MIGRATE_LIVE', caution)
        self.assertEqual((), flags.cautions(bits(NOVA), KNOWN))

    def test_caution_with_novas_tunnel(self):
        (caution,) = flags.cautions(bits(f'{NOVA} TUNNELLED'), KNOWN)
        self.assertIn('live_migration_tunnelled', caution)

    def test_copying(self):
        self.assertEqual(
            bits('NON_SHARED_DISK NON_SHARED_SYNCHRONOUS_WRITES'),
            flags.copying(KNOWN),
        )
        self.assertEqual(0, flags.copying({}))

    def test_a_rule_for_each_flag_of_libvirt(self):
        self.assertEqual(list(KNOWN), [rule.flag for rule in flag_rules.RULES])
