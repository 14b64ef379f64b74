// SPDX-License-Identifier: MIT
/* vmm/options.c: command lines, good and bad. */
#include "reports.h"

#include "vmm/options.h"

#include <string.h>

#define MIB (1ull << 20)
#define WORDS 8

static int parse(struct options *options, const char *const *words)
{
	const char *argv[WORDS + 2] = { "nestling" };
	int argc = 1;

	for (; words[argc - 1]; argc++)
		argv[argc] = words[argc - 1];
	reports = 0;
	options_default(options);
	return options_parse(options, argc, (char **)argv);
}

/* Each is refused in one line, which names the culprit. */
static const struct {
	const char *words[WORDS];
	const char *culprit;
} bad[] = {
	{ { "--nonsense" }, "--nonsense" },
	{ { "-x" }, "-x" },
	{ { "--memoryx=64M" }, "--memoryx" },
	{ { "--mem", "64M" }, "--mem" },
	{ { "--memory" }, "--memory" },
	{ { "-m" }, "-m" },
	{ { "-m", "12Q" }, "12Q" },
	{ { "-m12MB" }, "12MB" },
	{ { "-m12Bm" }, "12Bm" },
	{ { "-m", "2e" }, "2e: not a size; write a number of MiB" },
	{ { "-m", "2p" }, "2p: not a size" },
	{ { "--memory=" }, "--memory" },
	{ { "-m", "M" }, "M" },
	{ { "-m", "0" }, "--memory 0" },
	{ { "-m", "0M" }, "--memory 0M" },
	{ { "-m", "-2M" }, "-2M" },
	{ { "-m", "1M" }, "1M" },
	{ { "-m", "3M" }, "3M" },
	{ { "-m", "3" }, "--memory 3: takes a multiple of 2 MiB" },
	{ { "-m", "2097153b" }, "2097153b: takes a multiple of 2 MiB" },
	{ { "-m", "4095k" }, "4095k" },
	{ { "-m", "17592186044416" }, "17592186044416: not a size" },
	{ { "-m", "18446744073709551616" }, "18446744073709551616" },
	{ { "-m", "18446744073709551615T" }, "18446744073709551615T" },
	{ { "-m", "99999999T" }, "99999999T" },
	{ { "-m", "0x" }, "0x" },
	{ { "-c0" }, "--cpus 0" },
	{ { "--cpus", "513" }, "--cpus 513" },
	{ { "--cpus", "one" }, "--cpus one" },
	{ { "--gic", "1" }, "--gic 1" },
	{ { "--gic", "4" }, "--gic 4" },
	{ { "--gic=3x" }, "3x" },
	{ { "--strict=yes" }, "--strict" },
	{ { "--trace=" }, "--trace" },
	{ { "--trace=kvm,mmi" }, "kvm,mmi" },
	{ { "--trace=kvmm" }, "kvmm" },
	{ { "--trace=kvm," }, "kvm," },
	{ { "--trace=,kvm" }, ",kvm" },
	{ { "--trace=all: tell" }, "all: tell" },
	{ { "--trace=KVM" }, "--trace=KVM: takes words of kvm,exit,mmio,irq,psci,all" },
	{ { "--trace=tell what happens" }, "--trace" },
	{ { "--trace", "one", "two" }, "two" },
	{ { "--trace-file" }, "--trace-file" },
	{ { "--trace-json=1" }, "--trace-json" },
	{ { "--stats=table" }, "--stats=table: takes words of text,json" },
	{ { "--uart=slow" }, "--uart=slow: takes words of fast,plain" },
	{ { "--uart=" }, "--uart" },
	{ { "--uart=fas" }, "--uart=fas" },
	{ { "--uart=fast|plain" }, "--uart" },
	{ { "-hx" }, "-hx" },
	{ { "one", "two" }, "two" },
	{ { "--", "one", "--two" }, "--two" },
};

static void test_bad(void **state)
{
	struct options options;

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		assert_int_equal(parse(&options, bad[i].words), STATUS_USAGE);
		assert_int_equal(reports, 1);
		assert_non_null(strstr(last_report, bad[i].culprit));
		assert_null(strchr(last_report, '\n'));
	}
}

/* What is zero here is to have its default. */
static const struct {
	const char *words[WORDS];
	struct options options;
} good[] = {
	{ { NULL }, { 0 } },
	{ { "-m", "64M" }, { .memory = 64 * MIB } },
	{ { "-m64M" }, { .memory = 64 * MIB } },
	{ { "--memory=1G", "p" }, { .memory = 1024 * MIB, .payload = "p" } },
	{ { "p", "--memory", "2" }, { .memory = 2 * MIB, .payload = "p" } },
	{ { "-m", "128" }, { .memory = 128 * MIB } },
	{ { "-m64" }, { .memory = 64 * MIB } },
	{ { "-m", "0x40" }, { .memory = 64 * MIB } },
	{ { "-m", "2097152b" }, { .memory = 2 * MIB } },
	{ { "-m", "2097152B" }, { .memory = 2 * MIB } },
	{ { "-m", "4096K" }, { .memory = 4 * MIB } },
	{ { "-m", "4096k" }, { .memory = 4 * MIB } },
	{ { "-m", "64m" }, { .memory = 64 * MIB } },
	{ { "-m", "0x40m" }, { .memory = 64 * MIB } },
	{ { "-m", "1g" }, { .memory = 1ull << 30 } },
	{ { "-m", "1T" }, { .memory = 1ull << 40 } },
	{ { "-m", "1t" }, { .memory = 1ull << 40 } },
	{ { "-m", "4M", "-m", "8M" }, { .memory = 8 * MIB } },
	{ { "-a", "a=b -- c" }, { .append = "a=b -- c" } },
	{ { "--append=a=b" }, { .append = "a=b" } },
	{ { "--append=" }, { 0 } },
	{ { "-a", "--strict" }, { .append = "--strict" } },
	{ { "-c", "4" }, { .cpus = 4 } },
	{ { "--cpus=512", "--no-reboot" }, { .cpus = 512, .no_reboot = true } },
	{ { "-i", "r" }, { .initrd = "r" } },
	{ { "--dtb=a", "--dump-dtb", "b" }, { .dtb = "a", .dump_dtb = "b" } },
	{ { "--no-pmu", "--no-sve", "--no-pauth" },
	  { .no_pmu = true, .no_sve = true, .no_pauth = true } },
	{ { "--gic=3", "--strict" }, { .gic = 3, .strict = true } },
	{ { "--trace" }, { .trace = TRACE_ALL } },
	{ { "--trace", "p" }, { .trace = TRACE_ALL, .payload = "p" } },
	{ { "--trace=all" }, { .trace = TRACE_ALL } },
	{ { "--trace=kvm" }, { .trace = TRACE_KVM } },
	{ { "--trace=psci,exit" }, { .trace = TRACE_PSCI | TRACE_EXIT } },
	{ { "--trace=irq,mmio,irq" }, { .trace = TRACE_IRQ | TRACE_MMIO } },
	{ { "--trace=kvm", "--trace=exit" }, { .trace = TRACE_EXIT } },
	{ { "--trace-json", "--trace-file", "f" }, { .trace_json = true, .trace_file = "f" } },
	{ { "--stats" }, { .stats = FORM_TEXT } },
	{ { "--stats=json", "p" }, { .stats = FORM_JSON, .payload = "p" } },
	{ { "--stats=json,text" }, { .stats = FORM_JSON | FORM_TEXT } },
	{ { "--uart=plain" }, { .uart = UART_PLAIN } },
	{ { "--uart=plain", "--uart=fast" }, { .uart = UART_FAST } },
	{ { "--uart" }, { .uart = UART_FAST } },
	{ { "--", "--strict" }, { .payload = "--strict" } },
	{ { "-" }, { .payload = "-" } },
	{ { "--check" }, { .check = true } },
	{ { "--probe" }, { .probe = true } },
	{ { "--list" }, { .list = true } },
	{ { "-h" }, { .help = true } },
	{ { "--version" }, { .version = true } },
	{ { "--status-token", "t" }, { .status_token = "t" } },
	{ { "--stderr=/dev/ttyS0" }, { .stderr_path = "/dev/ttyS0" } },
};

static void assert_same(const char *left, const char *right)
{
	if (left && right)
		assert_string_equal(left, right);
	else
		assert_ptr_equal(left, right);
}

static void test_good(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
		const struct options *want = &good[i].options;
		struct options got;

		assert_int_equal(parse(&got, good[i].words), STATUS_PASS);
		assert_int_equal(reports, 0);
		assert_same(got.payload, want->payload);
		assert_string_equal(got.append, want->append ? want->append : "");
		assert_same(got.status_token, want->status_token);
		assert_same(got.stderr_path, want->stderr_path);
		assert_int_equal(got.memory, want->memory ? want->memory : 128 * MIB);
		assert_int_equal(got.cpus, want->cpus ? want->cpus : 1);
		assert_int_equal(got.no_reboot, want->no_reboot);
		assert_int_equal(got.gic, want->gic);
		assert_same(got.initrd, want->initrd);
		assert_same(got.dtb, want->dtb);
		assert_same(got.dump_dtb, want->dump_dtb);
		assert_int_equal(got.no_pmu, want->no_pmu);
		assert_int_equal(got.no_sve, want->no_sve);
		assert_int_equal(got.no_pauth, want->no_pauth);
		assert_int_equal(got.strict, want->strict);
		assert_int_equal(got.uart, want->uart);
		assert_int_equal(got.check, want->check);
		assert_int_equal(got.probe, want->probe);
		assert_int_equal(got.list, want->list);
		assert_int_equal(got.trace, want->trace);
		assert_same(got.trace_file, want->trace_file);
		assert_int_equal(got.trace_json, want->trace_json);
		assert_int_equal(got.stats, want->stats);
		assert_int_equal(got.help, want->help);
		assert_int_equal(got.version, want->version);
	}
}

/* PID 1 needs the token even when what follows it is wrong. */
static void test_token_before_error(void **state)
{
	static const char *const words[] = { "--status-token", "t", "--nonsense", NULL };
	struct options options;

	(void)state;
	assert_int_equal(parse(&options, words), STATUS_USAGE);
	assert_string_equal(options.status_token, "t");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bad),
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_token_before_error),
	};

	return RUN(tests);
}
