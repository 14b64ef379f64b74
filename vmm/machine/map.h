/* SPDX-License-Identifier: MIT */
/*
 * The guest's machine: every address and interrupt number, once.
 *
 * Who uses it: C code, machine.dts, payloads and their linker script, all through the C
 * preprocessor: so it holds plain numbers only. Addresses are those of QEMU's arm64 `virt` machine,
 * so that images made for it run unchanged.
 */
#ifndef VMM_MAP_H
#define VMM_MAP_H

#define FLASH_BASE 0x00000000
#define FLASH_SIZE 0x08000000
#define GIC_DIST_BASE 0x08000000
#define GIC_DIST_SIZE 0x00010000
#define GICV2_CPU_BASE 0x08010000
#define GICV2_CPU_SIZE 0x00010000
#define GICV3_REDIST_BASE 0x080a0000
#define GICV3_REDIST_SIZE 0x00f60000
#define UART_BASE 0x09000000
#define UART_SIZE 0x00001000
#define UART_SPI 1
#define RTC_BASE 0x09010000
#define RTC_SIZE 0x00001000
#define RTC_SPI 2
#define STEAL_BASE 0x090a0000 /* stolen time (Arm DEN 0057), 64 bytes a CPU */
#define STEAL_SIZE 0x00010000
#define FINISHER_BASE 0x090f0000
#define FINISHER_SIZE 0x00001000
#define VIRTIO_BASE 0x0a000000
#define VIRTIO_SIZE 0x00004000
#define RAM_BASE 0x40000000
#define FLAT_OFFSET 0x00080000 /* a flat binary's place in RAM */

#define UART_CLOCK 24000000 /* Hz */

/* Private peripheral interrupts of the generic timer (Arm ARM: recommended numbers, less 16). */
#define TIMER_SECURE_PPI 13
#define TIMER_PHYSICAL_PPI 14
#define TIMER_VIRTUAL_PPI 11
#define TIMER_HYP_PPI 10
#define PMU_PPI 7

#define SPI_INTID 32 /* interrupt id of the first shared peripheral interrupt */
#define GIC_SPIS 64  /* the interrupt controller's shared lines: 0..31 and virtio's 16..47 */

#endif
