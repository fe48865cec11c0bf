// The smallest guest: writes one byte to COM1 and asks for a reset. For measuring start-up; it sets nothing up, so it runs in 32-bit mode
// (PVH, QEMU) and in 64-bit mode alike.

  .section .note.pvh, "a", @note
  .long 4, 4, 18            // XEN_ELFNOTE_PHYS32_ENTRY
  .asciz "Xen"
  .long start64

  .section .text.start, "ax", @progbits
  .global start64
  .code64
start64:
  .byte 0x66, 0xBA, 0xF8, 0x03   // mov $0x3f8, %dx in both modes
  .byte 0xB0, '!'                // mov $'!', %al
  .byte 0xEE                     // out %al, (%dx)
  .byte 0xB0, 0xFE               // mov $0xfe, %al
  .byte 0xE6, 0x64               // out %al, $0x64
1:
  hlt
  jmp 1b
