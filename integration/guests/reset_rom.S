// A ROM of 256 KiB that looks at where it finds itself after a reset: in real mode at the reset vector, its end below 1 MiB too, the
// whole of it below 4 GiB and read-only, another processor that waits for its start-up interrupt, the command line at 0x2_0000.

  .set ROM, 0x40000
  .set HIGH, 0x100000000 - ROM        // where the ROM is, as the 32-bit code below sees it
  .set SEGMENT, ROM - 0x10000         // the file's last 64 KiB, which are segment F000
  .set FIRST, 0x44434241
  .set SHADOWED, 0x48474645
  .set COUNTER, 0x7000                // processors that have started, in RAM

  .text
  .global start64
  .long FIRST
  .org ROM - 0x20000
  .long SHADOWED

  .org SEGMENT + 0xA000
  .code16
  // Prints the text at CS:SI.
print16:
  mov $0x3f8, %dx
1:
  mov %cs:(%si), %al
  test %al, %al
  jz 2f
  out %al, (%dx)
  inc %si
  jmp 1b
2:
  ret

  // Far below 4 GiB there is RAM for a stack, but not in this segment's reach: no calls.
begin:
  cli
  cld
  mov $vector_text - SEGMENT, %si
  mov $0x3f8, %dx
1:
  mov %cs:(%si), %al
  test %al, %al
  jz 2f
  out %al, (%dx)
  inc %si
  jmp 1b
2:
  ljmp $0xF000, $low - SEGMENT

low:
  xor %ax, %ax
  mov %ax, %ss
  mov $0x7000, %sp
  mov $shadow_text - SEGMENT, %si
  call print16
  lgdtl %cs:gdt_pointer - SEGMENT
  mov %cr0, %eax
  or $1, %eax
  mov %eax, %cr0
  ljmpl $8, $0xF0000 + flat - SEGMENT

  .code32
  // Prints the text at ESI.
print:
  mov $0x3f8, %edx
1:
  lodsb
  test %al, %al
  jz 2f
  out %al, (%dx)
  jmp 1b
2:
  ret

  // EAX is what was found, EBX what was expected, ESI the name of the check.
check:
  push %esi
  mov $0xF0000 + ok_text - SEGMENT, %esi
  cmp %eax, %ebx
  je 1f
  mov $0xF0000 + fail_text - SEGMENT, %esi
1:
  call print
  pop %esi
  jmp print

flat:
  mov $16, %eax
  mov %eax, %ds
  mov %eax, %es
  mov %eax, %ss

  mov HIGH, %eax
  mov $FIRST, %ebx
  mov $0xF0000 + rom_text - SEGMENT, %esi
  call check

  movl $0, HIGH
  mov HIGH, %eax
  mov $0xF0000 + read_only_text - SEGMENT, %esi
  call check

  mov 0xE0000, %eax
  mov $SHADOWED, %ebx
  mov $0xF0000 + low_text - SEGMENT, %esi
  call check

  movl $FIRST, 0xE0000
  mov 0xE0000, %eax
  mov $FIRST, %ebx
  mov $0xF0000 + writable_text - SEGMENT, %esi
  call check

  mov 0x20000, %eax
  mov $0x696e6170, %ebx               // "pani" of "panic=-1"
  mov $0xF0000 + line_text - SEGMENT, %esi
  call check

  // SDM vol. 3, 8.4.4.1: INIT, then a start-up interrupt, to all but this one.
  movl $0, COUNTER
  movl $0xFEE00000, %edi
  movl $0x1FF, 0xF0(%edi)             // the local APIC is on
  movl $0xC4500, 0x300(%edi)
  movl $0xC46FF, 0x300(%edi)          // at 0xFF000
  mov $1, %ebx
  mov $10000000, %ecx
1:
  pause
  mov COUNTER, %eax
  cmp %eax, %ebx
  loopne 1b
  mov $0xF0000 + processor_text - SEGMENT, %esi
  call check

  mov $0xF0000 + done_text - SEGMENT, %esi
  call print
  mov $0x604, %edx                    // PM1a control: S5
  mov $0x3400, %eax
  out %ax, (%dx)
1:
  hlt
  jmp 1b

vector_text:    .asciz "ok reset vector\n"
shadow_text:    .asciz "ok runs below 1 MiB\n"
ok_text:        .asciz "ok "
fail_text:      .asciz "FAIL "
rom_text:       .asciz "whole ROM below 4 GiB\n"
read_only_text: .asciz "ROM is read-only\n"
low_text:       .asciz "128 KiB of it below 1 MiB\n"
writable_text:  .asciz "which are RAM\n"
line_text:      .asciz "command line\n"
processor_text: .asciz "other processor\n"
done_text:      .asciz "done\n"

  .balign 8
gdt:
  .quad 0
  .quad 0x00CF9B000000FFFF            // 8: flat code
  .quad 0x00CF93000000FFFF            // 16: flat data
gdt_pointer:
  .word . - gdt - 1
  .long 0xF0000 + gdt - SEGMENT

  .org ROM - 0x1000
  .code16
  // Other processors, at FF00:0000.
  xor %ax, %ax
  mov %ax, %ds
  lock incl COUNTER
1:
  hlt
  jmp 1b

  .org ROM - 16
start64:
  jmp begin
  .org ROM
