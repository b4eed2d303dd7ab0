@ Bytes into lines, 16 at a time.
@
@ In a line of bytes a value v is kept as the signed byte v - 128, which is v with its highest bit turned: VMLADAVA takes two
@ signed bytes or two unsigned ones, and weights have a sign. Filters' biases make up for it.

    .syntax unified
    .thumb

@ extern "C" fn(source, mask, threshold, line, depth, pitch, columns): clamps columns side by side.
    .section .text.denselet_mve_clamp, "ax", %progbits
    .global denselet_mve_clamp
    .type   denselet_mve_clamp, %function
    .thumb_func
denselet_mve_clamp:
    push        {r4-r10, lr}
    ldrd        r4, r5, [sp, #32]       @ depth, pitch
    ldr         r6, [sp, #40]           @ columns
    vmov.i8     q3, #0x80
1:
    mov         r7, r0
    mov         r8, r1
    mov         r9, r2
    mov         r10, r3
    dlstp.8     lr, r4
2:
    vldrb.u8    q0, [r7], #16
    vldrb.u8    q1, [r8], #16
    veor        q0, q0, q1
    vldrb.u8    q2, [r9], #16
    vqsub.u8    q0, q0, q2
    veor        q0, q0, q3
    vstrb.8     q0, [r10], #16
    letp        lr, 2b
    add         r0, r5
    add         r3, r4
    subs        r6, #1
    bne         1b
    pop         {r4-r10, pc}
    .size   denselet_mve_clamp, . - denselet_mve_clamp

@ extern "C" fn(source, mask, threshold, out, depth): clamps bytes into bytes as they are.
    .section .text.denselet_mve_clamp_bytes, "ax", %progbits
    .global denselet_mve_clamp_bytes
    .type   denselet_mve_clamp_bytes, %function
    .thumb_func
denselet_mve_clamp_bytes:
    push        {r4, lr}
    ldr         r4, [sp, #8]
    dlstp.8     lr, r4
1:
    vldrb.u8    q0, [r0], #16
    vldrb.u8    q1, [r1], #16
    veor        q0, q0, q1
    vldrb.u8    q2, [r2], #16
    vqsub.u8    q0, q0, q2
    vstrb.8     q0, [r3], #16
    letp        lr, 1b
    pop         {r4, pc}
    .size   denselet_mve_clamp_bytes, . - denselet_mve_clamp_bytes

@ extern "C" fn(source, mask, threshold, line, depth, pitch, columns): clamps columns side by side into lines of 16 bits,
@ in place of what is there or added to it.
.macro clamp_sums name, is_first
    .section .text.\name, "ax", %progbits
    .global \name
    .type   \name, %function
    .thumb_func
\name:
    push        {r4-r10, lr}
    ldrd        r4, r5, [sp, #32]       @ depth, pitch
    ldr         r6, [sp, #40]           @ columns
    mov         r8, r0
    mov         r9, r1
    mov         r10, r2
1:
    mov         r0, r8
    mov         r1, r9
    mov         r2, r10
    mov         r7, r3
    dlstp.16    lr, r4
2:
    vldrb.u16   q0, [r0], #8
    vldrb.u16   q1, [r1], #8
    veor        q0, q0, q1
    vldrb.u16   q2, [r2], #8
    vqsub.u16   q0, q0, q2
    .if \is_first == 0
    vldrh.u16   q1, [r7]
    vadd.i16    q0, q0, q1
    .endif
    vstrh.16    q0, [r7], #16
    letp        lr, 2b
    add         r8, r5
    add         r3, r3, r4, lsl #1
    subs        r6, #1
    bne         1b
    pop         {r4-r10, pc}
    .size   \name, . - \name
.endm

    clamp_sums denselet_mve_clamp_first, 1
    clamp_sums denselet_mve_clamp_add, 0

@ extern "C" fn(top, middle, bottom, line, depth, columns): columns of three rows, the rows' columns side by side, into
@ [column][row][i].
    .section .text.denselet_mve_window, "ax", %progbits
    .global denselet_mve_window
    .type   denselet_mve_window, %function
    .thumb_func
denselet_mve_window:
    push        {r4-r6, lr}
    ldrd        r4, r5, [sp, #16]       @ depth, columns
    rsbs        r6, r4, #0
    and         r6, r6, #15             @ how far the last vector of a column goes too far
    vmov.i8     q1, #0x80
1:
    .irp row, r0, r1, r2
    dlstp.8     lr, r4
2:
    vldrb.u8    q0, [\row], #16
    veor        q0, q0, q1
    vstrb.8     q0, [r3], #16
    letp        lr, 2b
    subs        \row, \row, r6
    subs        r3, r3, r6
    .endr
    subs        r5, #1
    bne         1b
    pop         {r4-r6, pc}
    .size   denselet_mve_window, . - denselet_mve_window

@ extern "C" fn(source, line, len): bytes into a line.
    .section .text.denselet_mve_copy, "ax", %progbits
    .global denselet_mve_copy
    .type   denselet_mve_copy, %function
    .thumb_func
denselet_mve_copy:
    push        {r7, lr}
    vmov.i8     q1, #0x80
    dlstp.8     lr, r2
1:
    vldrb.u8    q0, [r0], #16
    veor        q0, q0, q1
    vstrb.8     q0, [r1], #16
    letp        lr, 1b
    pop         {r7, pc}
    .size   denselet_mve_copy, . - denselet_mve_copy
