.text
wall: .quad 0
mono: .quad 0
gettime:
  mov $228,%eax
  syscall
  test %eax,%eax
  jnz 9f
  mov wall(%rip),%r8
  test %edi,%edi
  je 1f
  cmp $5,%edi
  je 1f
  cmp $11,%edi
  je 1f
  mov mono(%rip),%r8
  cmp $1,%edi
  je 1f
  cmp $4,%edi
  je 1f
  cmp $6,%edi
  je 1f
  cmp $7,%edi
  je 1f
  ret
1: test %r8,%r8
  jz 9f
  imul $1000000000,(%rsi),%rax
  add 8(%rsi),%rax
  add %r8,%rax
  mov $1000000000,%ecx
  cqto
  idiv %rcx
  mov %rax,(%rsi)
  mov %rdx,8(%rsi)
  xor %eax,%eax
9: ret
.balign 8
timeofday:
  mov $96,%eax
  syscall
  test %eax,%eax
  jnz 9f
  test %rdi,%rdi
  jz 9f
  imul $1000000,(%rdi),%rax
  add 8(%rdi),%rax
  imul $1000,%rax,%rax
  add wall(%rip),%rax
  mov $1000000000,%ecx
  cqto
  idiv %rcx
  mov %rax,(%rdi)
  mov %rdx,%rax
  mov $1000,%ecx
  cqto
  idiv %rcx
  mov %rax,8(%rdi)
  xor %eax,%eax
9: ret
.balign 8
time:
  push %rdi
  sub $16,%rsp
  xor %edi,%edi
  mov %rsp,%rsi
  mov $228,%eax
  syscall
  imul $1000000000,(%rsp),%rax
  add 8(%rsp),%rax
  add wall(%rip),%rax
  mov $1000000000,%ecx
  cqto
  idiv %rcx
  add $16,%rsp
  pop %rdi
  test %rdi,%rdi
  jz 9f
  mov %rax,(%rdi)
9: ret
