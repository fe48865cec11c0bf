// What first_byte.S does, as a 64 KiB ROM that ends at 4 GiB: for a peer's -bios, so that its firmware's time is not counted.

  .text
  .code16
  .global start64
  .org 0xFF00
begin:
  mov $0x3f8, %dx
  mov $'!', %al
  out %al, (%dx)
  mov $0xfe, %al
  out %al, $0x64
  mov $0x501, %dx // a machine without that port: QEMU's isa-debug-exit
  out %al, %dx
1:
  hlt
  jmp 1b
  .org 0xFFF0                // the reset vector
start64:
  jmp begin
  .org 0x10000
