/* SPDX-License-Identifier: MIT */
/*
 * The guest's memory map: every address and interrupt number, defined once.
 *
 * Who uses it: C code, machine.dts, payloads and their linker script, all by the C preprocessor, so
 * it contains plain numbers only. Addresses are those of QEMU's arm64 `virt` machine, so that
 * images made for it run unchanged.
 */
#ifndef VMM_MAP_H
#define VMM_MAP_H

#define FLASH_BASE 0x00000000
#define FLASH_SIZE 0x08000000 /* two banks of equal size */
#define FLASH_BANK_SIZE 0x04000000
#define GIC_DIST_BASE 0x08000000
#define GIC_DIST_SIZE 0x00010000
#define GICV2_CPU_BASE 0x08010000
#define GICV2_CPU_SIZE 0x00010000
#define GICV3_ITS_BASE 0x08080000
#define GICV3_ITS_SIZE 0x00020000
#define GICV3_REDIST_BASE 0x080a0000
#define GICV3_REDIST_SIZE 0x00f60000
#define UART_BASE 0x09000000
#define UART_SIZE 0x00001000
#define UART_SPI 1
#define RTC_BASE 0x09010000
#define RTC_SIZE 0x00001000
#define RTC_SPI 2
#define FW_CFG_BASE 0x09020000 /* only with --firmware */
#define FW_CFG_SIZE 24
#define GPIO_BASE 0x09030000
#define GPIO_SIZE 0x00001000
#define GPIO_SPI 7
#define GPIO_POWER_PIN 3      /* where the power button is */
#define STEAL_BASE 0x090a0000 /* stolen time (Arm DEN 0057), 64 bytes per CPU */
#define STEAL_SIZE 0x00010000
#define VMGENID_BASE 0x090e0000
#define VMGENID_SIZE 0x00000010
#define VMGENID_SPI 10
#define FINISHER_BASE 0x090f0000
#define FINISHER_SIZE 0x00001000
#define VIRTIO_BASE 0x0a000000
#define VIRTIO_SLOT 0x00000200 /* bytes of each device's window */
#define VIRTIO_SLOTS 32
#define VIRTIO_SPI 16 /* of slot 0 */
#define RAM_BASE 0x40000000
#define PCI_CONFIG_BASE 0x4010000000
#define PCI_CONFIG_SIZE 0x10000000
#define FLAT_OFFSET 0x00080000 /* a flat binary's place in RAM */

#define UART_CLOCK 24000000 /* Hz */

/* Private peripheral interrupts of the generic timer and PMU: the INTIDs that Arm recommends, minus
 * 16. */
#define TIMER_SECURE_PPI 13
#define TIMER_PHYSICAL_PPI 14
#define TIMER_VIRTUAL_PPI 11
#define TIMER_HYP_PPI 10
#define PMU_PPI 7
#define GIC_MAINTENANCE_PPI 9 /* of a guest with EL2, as the next */
#define TIMER_HYP_VIRTUAL_PPI 12

#define PPI_INTID 16 /* of the first private peripheral interrupt */
#define SPI_INTID 32 /* INTID of the first shared peripheral interrupt */
#define GIC_SPIS 64  /* shared interrupts of the GIC; the last in use is virtio's 47 */

#endif
