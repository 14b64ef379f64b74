// SPDX-License-Identifier: MIT
/* vmm/options.c: valid and invalid command lines. */
#include "reports.h"

#include "vmm/options.h"

#include <string.h>

#define MIB (1ull << 20)
#define WORDS 10

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

/* Each is refused with one line that names the wrong argument. */
static const struct {
	const char *words[WORDS];
	const char *culprit;
} bad[] = {
	{ { "--nonsense" }, "--nonsense" },
	{ { "-n" }, "-n" },
	{ { "--net=tap=t,ro" }, "ro is nothing" },
	{ { "--net=tap=t,mac" }, "mac is nothing" },
	{ { "--disk=f,mac=1" }, "mac=1 is nothing" },
	{ { "--module" }, "--module" },
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
	{ { "-d" }, "-d" },
	{ { "--disk=a,rw" }, "rw is nothing" },
	{ { "--disk=a,ro=1" }, "ro=1 is nothing" },
	{ { "--disk=a,serial" }, "serial is nothing" },
	{ { "--trace=" }, "--trace" },
	{ { "--trace=kvm,mmi" }, "kvm,mmi" },
	{ { "--trace=kvmm" }, "kvmm" },
	{ { "--trace=kvm," }, "kvm," },
	{ { "--trace=,kvm" }, ",kvm" },
	{ { "--trace=all: tell" }, "all: tell" },
	{ { "--trace=KVM" }, "--trace=KVM: takes words of kvm,exit,mmio,irq,psci,virtio,all" },
	{ { "--trace=trace what happens" }, "--trace" },
	{ { "--trace", "one", "two" }, "two" },
	{ { "--trace-file" }, "--trace-file" },
	{ { "--trace-json=1" }, "--trace-json" },
	{ { "--stats=table" }, "--stats=table: takes words of text,json" },
	{ { "--watchdog=0" }, "--watchdog 0" },
	{ { "--on-failure=on" }, "off,reboot,restart" },
	{ { "--grace=x" }, "--grace x" },
	{ { "--uart=slow" }, "--uart=slow: takes words of fast,plain" },
	{ { "--uart=" }, "--uart" },
	{ { "--uart=fas" }, "--uart=fas" },
	{ { "--uart=fast|plain" }, "--uart" },
	{ { "--console" }, "--console: lacks its value, virtio" },
	{ { "--console=" }, "--console" },
	{ { "--console=hvc0" }, "hvc0 is nothing that it takes" },
	{ { "--console", "virtio,ro" }, "ro is nothing that it takes" },
	{ { "--console=legacy" }, "--console legacy" },
	{ { "--balloon=on" }, "on is nothing that it takes" },
	{ { "--balloon=legacy,serial=1" }, "serial" },
	{ { "--balloon=legacy," }, "--balloon legacy," },
	{ { "--balloon", "one", "two" }, "two" },
	{ { "-d" }, "-d" },
	{ { "-d", "f,rw" }, "rw is nothing that it takes" },
	{ { "-d", "f,serial" }, "serial is nothing that it takes" },
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

/* Fields that are zero here must have their defaults. */
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
	{ { "--el2" }, { .el2 = EL2_VHE } },
	{ { "--el2=e2h0" }, { .el2 = EL2_E2H0 } },
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
	{ { "--grace", "60" }, { .grace = 60 } },
	{ { "--watchdog=5" }, { .watchdog = 5 } },
	{ { "--on-failure=restart" }, { .on_failure = FAILURE_RESTART } },
	{ { "--uart=plain" }, { .uart = UART_PLAIN } },
	{ { "--uart=plain", "--uart=fast" }, { .uart = UART_FAST } },
	{ { "--uart" }, { .uart = UART_FAST } },
	{ { "--", "--strict" }, { .payload = "--strict" } },
	{ { "-" }, { .payload = "-" } },
	{ { "--force" }, { .force = true } },
	{ { "--on-reset" }, { .on_reset = RESET_RESUMES } },
	{ { "a", "b", "--on-reset=boot" },
	  { .payload = "a", .reset_payload = "b", .on_reset = RESET_BOOTS } },
	{ { "--on-reset=boot", "a" }, { .payload = "a", .on_reset = RESET_BOOTS } },
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
		assert_same(got.reset_payload, want->reset_payload);
		assert_int_equal(got.on_reset, want->on_reset);
		assert_int_equal(got.force, want->force);
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
		assert_int_equal(got.el2, want->el2);
		assert_int_equal(got.no_sve, want->no_sve);
		assert_int_equal(got.no_pauth, want->no_pauth);
		assert_int_equal(got.strict, want->strict);
		assert_int_equal(got.grace, want->grace ? want->grace : 10);
		assert_int_equal(got.watchdog, want->watchdog);
		assert_int_equal(got.on_failure, want->on_failure);
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

static void test_no_grace(void **state)
{
	static const char *const words[] = { "--grace=0", NULL };
	struct options options;

	(void)state;
	assert_int_equal(parse(&options, words), STATUS_PASS);
	assert_int_equal(options.grace, 0);
}

/* Of some kinds there is only one device, for which the last option counts. */
static void test_kinds(void **state)
{
	static const char *const words[] = {
		"-dfirst",	 "--console=virtio,legacy", "--balloon",
		"--disk=second", "--console=virtio",	    "--balloon=legacy",
		"-npacket=e",	 "--net=unix=/s,mac=1",	    NULL
	};
	static const struct device_option want[] = {
		{ .kind = DEVICE_DISK, .file = "first" },
		{ .kind = DEVICE_CONSOLE, .file = "virtio" },
		{ .kind = DEVICE_BALLOON, .file = "legacy", .legacy = true },
		{ .kind = DEVICE_DISK, .file = "second" },
		{ .kind = DEVICE_NET, .file = "packet=e" },
		{ .kind = DEVICE_NET, .file = "unix=/s,mac=1" },
	};
	struct options options;

	(void)state;
	assert_int_equal(parse(&options, words), STATUS_PASS);
	assert_int_equal(options.device_count, 6);
	for (unsigned i = 0; i < 6; i++) {
		assert_int_equal(options.devices[i].kind, want[i].kind);
		assert_string_equal(options.devices[i].file, want[i].file);
		assert_int_equal(options.devices[i].legacy, want[i].legacy);
	}
	assert_int_equal(options_devices(&options, DEVICE_DISK), 2);
	assert_int_equal(options_devices(&options, DEVICE_BALLOON), 1);
	assert_int_equal(options_devices(&options, DEVICE_NET), 2);
	assert_string_equal(options.devices[5].mac, "1");
}

static void test_modules(void **state)
{
	static const char *const words[] = { "--module", "a.ko,x=1,2", "--module=b.ko", NULL };
	char *many[MAX_MODULES + 3] = { "nestling" };
	struct options options;

	(void)state;
	assert_int_equal(parse(&options, words), STATUS_PASS);
	assert_int_equal(options.module_count, 2);
	assert_string_equal(options.modules[0], "a.ko,x=1,2");
	assert_string_equal(options.modules[1], "b.ko");
	for (unsigned i = 1; i < MAX_MODULES + 2; i++)
		many[i] = "--module=m";
	options_default(&options);
	assert_int_equal(options_parse(&options, MAX_MODULES + 2, many), STATUS_USAGE);
	assert_non_null(strstr(last_report, "there are 16 already"));
}

/* "fd=N" and "fd:N". */
static void test_descriptor(void **state)
{
	(void)state;
	assert_int_equal(options_descriptor("0"), 0);
	assert_int_equal(options_descriptor("123"), 123);
	assert_int_equal(options_descriptor(""), -1);
	assert_int_equal(options_descriptor("3x"), -1);
	assert_int_equal(options_descriptor("-1"), -1);
	assert_int_equal(options_descriptor("99999999999"), -1);
}

/* PID 1 needs the token even if a later argument is wrong. */
static void test_token_before_error(void **state)
{
	static const char *const words[] = { "--status-token", "t", "--nonsense", NULL };
	struct options options;

	(void)state;
	assert_int_equal(parse(&options, words), STATUS_USAGE);
	assert_string_equal(options.status_token, "t");
}

/* Devices are in the order of the command line, each with its own properties. */
static void test_devices(void **state)
{
	static const char *const words[] = { "-d", "one,ro,serial=a b",
					     "--disk=two,legacy,volatile", "-dthree", NULL };
	struct options options;

	(void)state;
	assert_int_equal(parse(&options, words), STATUS_PASS);
	assert_int_equal(options.device_count, 3);
	assert_string_equal(options.devices[0].file, "one,ro,serial=a b");
	assert_string_equal(options.devices[0].serial, "a b");
	assert_true(options.devices[0].read_only && !options.devices[0].legacy);
	assert_string_equal(options.devices[1].file, "two,legacy,volatile");
	assert_true(options.devices[1].is_volatile && options.devices[1].legacy);
	assert_string_equal(options.devices[2].file, "three");
	assert_null(options.devices[2].serial);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bad),	   cmocka_unit_test(test_good),
		cmocka_unit_test(test_devices),	   cmocka_unit_test(test_no_grace),
		cmocka_unit_test(test_kinds),	   cmocka_unit_test(test_modules),
		cmocka_unit_test(test_descriptor), cmocka_unit_test(test_token_before_error),
	};

	return RUN(tests);
}
