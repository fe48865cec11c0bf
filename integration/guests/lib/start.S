// Entry points of a bare-metal guest.
//
//   start64   long mode, 4 GiB identity mapped, RSI = boot_params (Linux x86 64-bit boot protocol)
//   start32   flat 32-bit protected mode, EBX = hvm_start_info (PVH ABI): makes an identity map and goes to long mode
//
// Both end in GuestEntry(boot_params or 0) on a stack of ours, with a GDT of ours. The trampoline at the end brings up the other
// processors: it is copied below 1 MiB, entered in real mode, and ends in GuestApEntry on a stack of its own.

  .section .note.pvh, "a", @note
  .long 4, 4, 18            // XEN_ELFNOTE_PHYS32_ENTRY
  .asciz "Xen"
  .long start32

  .section .text.start, "ax", @progbits
  .global start64
  .code64
start64:
  cli
  cld
  mov %rsi, %rdi
common64:
  lgdt gdt_pointer(%rip)
  lea stack_top(%rip), %rsp
  pushq $8
  lea 1f(%rip), %rax
  push %rax
  lretq
1:
  mov $16, %eax
  mov %eax, %ds
  mov %eax, %es
  mov %eax, %ss
  xor %ebp, %ebp
  call GuestEntry
2:
  hlt
  jmp 2b

  .code32
  .global start32
start32:
  cli
  cld
  mov $stack_top, %esp
  // PML4 and PDPT: one entry, four entries; then four page directories of 2 MiB pages.
  movl $pdpt + 3, pml4
  mov $4, %ecx
  mov $directories + 3, %eax
  mov $pdpt, %edi
1:
  mov %eax, (%edi)
  add $4096, %eax
  add $8, %edi
  loop 1b
  mov $2048, %ecx
  mov $0x83, %eax
  mov $directories, %edi
2:
  mov %eax, (%edi)
  add $0x200000, %eax
  add $8, %edi
  loop 2b
  mov $pml4, %eax
  mov %eax, %cr3
  mov %cr4, %eax
  or $0x20, %eax            // PAE
  mov %eax, %cr4
  mov $0xC0000080, %ecx     // EFER
  rdmsr
  or $0x100, %eax           // LME
  wrmsr
  mov %cr0, %eax
  or $0x80000001, %eax      // PG, PE
  mov %eax, %cr0
  lgdt gdt_pointer
  ljmp $8, $3f
  .code64
3:
  xor %edi, %edi
  jmp common64

  .balign 8
gdt:
  .quad 0
  .quad 0x00AF9B000000FFFF  // 8: 64-bit code
  .quad 0x00CF93000000FFFF  // 16: data
gdt_pointer:
  .word . - gdt - 1
  .quad gdt

  // Copied to ap_trampoline's page; the three values behind it are filled in by the boot processor.
  .global ap_trampoline_begin, ap_trampoline_end, ap_trampoline_cr3
  .code16
  .balign 16
ap_trampoline_begin:
  cli
  mov %cs, %ax
  mov %ax, %ds
  lgdtl (ap_gdt_pointer - ap_trampoline_begin)
  mov %cr4, %eax
  or $0x20, %eax
  mov %eax, %cr4
  movl (ap_trampoline_cr3 - ap_trampoline_begin), %eax
  mov %eax, %cr3
  mov $0xC0000080, %ecx
  rdmsr
  or $0x100, %eax
  wrmsr
  mov %cr0, %eax
  or $0x80000001, %eax
  mov %eax, %cr0
  ljmpl $8, $ap_start64
  .balign 4
ap_gdt_pointer:
  .word 23
  .long gdt
ap_trampoline_cr3:
  .long 0
ap_trampoline_end:

  .code64
ap_start64:
  mov $16, %eax
  mov %eax, %ds
  mov %eax, %es
  mov %eax, %ss
  mov $1, %eax
  lock xadd %eax, ap_ticket(%rip)
  mov %eax, %edi
  inc %eax
  shl $12, %eax             // 4 KiB of stack each
  lea ap_stacks(%rip), %rsp
  add %rax, %rsp
  call GuestApEntry
1:
  hlt
  jmp 1b

  // Interrupt and exception stubs: push the vector (and a zero where the processor pushes no error code), go to the common part.
  .global interrupt_stubs
interrupt_stubs:
  .set vector, 0
  .rept 256
  .balign 16
  .if (vector == 8) || ((vector >= 10) && (vector <= 14)) || (vector == 17) || (vector == 21)
  .else
  pushq $0
  .endif
  pushq $vector
  jmp interrupt_common
  .set vector, vector + 1
  .endr
interrupt_common:
  push %rax
  push %rcx
  push %rdx
  push %rsi
  push %rdi
  push %r8
  push %r9
  push %r10
  push %r11
  mov 72(%rsp), %rdi        // vector
  mov 80(%rsp), %rsi        // error code
  mov 88(%rsp), %rdx        // rip
  cld
  call GuestInterrupt
  pop %r11
  pop %r10
  pop %r9
  pop %r8
  pop %rdi
  pop %rsi
  pop %rdx
  pop %rcx
  pop %rax
  add $16, %rsp
  iretq

  .bss
  .balign 4096
pml4:
  .skip 4096
pdpt:
  .skip 4096
directories:
  .skip 4096 * 4
  .skip 16384
stack_top:
  .balign 4096
ap_stacks:
  .skip 4096 * 256
ap_ticket:
  .skip 4
