@ Lines times filters, four outputs by two pixels at once, a vector of 16 values a step.
@
@ extern "C" fn(&Work). In the loops: r1 weights, r9 and r11 the two pixels' values, r7 rounds left, r5 the first
@ pixel's output, r3 pairs of pixels left. The sums are the eight even registers, since VMLADAVA wants these: r0, r2,
@ r4, r6 of the first pixel, r8, r10, r12, lr of the second. q0-q3 hold four outputs' weights, q4 and q5 two pixels'
@ values, q6 biases, q7 multipliers.
@
@ A filter's first vector may be filled up with zeros in front. There, the values' lanes are predicated off: what lies in
@ front of a pixel is not read.

    .syntax unified
    .thumb

@ The stack after the registers are saved.
    .equ ROUNDS, 0
    .equ ENTRY, ROUNDS + WORD           @ where the first round enters the body
    .equ WEIGHTS, ENTRY + WORD
    .equ LANES, WEIGHTS + WORD
    .equ ADVANCE, LANES + WORD
    .equ STRIDE, ADVANCE + WORD
    .equ LINE, STRIDE + WORD
    .equ NEXT_LINE, LINE + WORD         @ the second pixel's
    .equ OUT, NEXT_LINE + WORD
    .equ PAIRS, OUT + WORD
    .equ BIAS, PAIRS + WORD
    .equ MULTIPLIER, BIAS + WORD
    .equ QUADS, MULTIPLIER + WORD
    .equ FRAME, QUADS + 2 * WORD        @ a multiple of 8, as the stack is

@ One vector of bytes. \op is vmladava to go on, vmladav to begin.
.macro bytes_step op
    vldrb.u8    q0, [r1], #64
    \op\().s8   r0, q0, q4
    vldrb.u8    q1, [r1, #-48]
    \op\().s8   r8, q0, q5
    vldrb.u8    q2, [r1, #-32]
    \op\().s8   r2, q1, q4
    vldrb.u8    q3, [r1, #-16]
    \op\().s8   r10, q1, q5
    \op\().s8   r4, q2, q4
    \op\().s8   r12, q2, q5
    \op\().s8   r6, q3, q4
    \op\().s8   lr, q3, q5
.endm

.macro bytes_first
    vmsr        p0, r7
    vpstt
    vldrbt.u8   q4, [r9], #16
    vldrbt.u8   q5, [r11], #16
    bytes_step  vmladav
.endm

.macro bytes_next
    vldrb.u8    q4, [r9], #16
    vldrb.u8    q5, [r11], #16
    bytes_step  vmladava
.endm

@ Half a vector: eight lines of 16 bits. Weights lie at \at from r1, which \back takes to the next vector.
.macro sums_half op, at
    \op\().s16  r0, q0, q4
    vldrb.s16   q1, [r1, #\at + 16]
    \op\().s16  r8, q0, q5
    vldrb.s16   q2, [r1, #\at + 32]
    \op\().s16  r2, q1, q4
    \op\().s16  r10, q1, q5
    \op\().s16  r4, q2, q4
    \op\().s16  r12, q2, q5
.endm

.macro sums_quarter op
    \op\().s16  r6, q3, q4
    \op\().s16  lr, q3, q5
.endm

.macro sums_step op, first, values
    \values
    vldrb.s16   q0, [r1]
    sums_half   \first, 0
    vldrb.s16   q3, [r1, #48]
    sums_quarter \first
    \values
    vldrb.s16   q0, [r1, #8]
    sums_half   \op, 8
    adds        r1, #56
    vldrb.s16   q3, [r1], #8
    sums_quarter \op
.endm

.macro sums_values_some
    vmsr        p0, r7
    lsrs        r7, #16
    vpstt
    vldrht.u16  q4, [r9], #16
    vldrht.u16  q5, [r11], #16
.endm

.macro sums_values
    vldrh.u16   q4, [r9], #16
    vldrh.u16   q5, [r11], #16
.endm

.macro sums_first
    sums_step   vmladava, vmladav, sums_values_some
.endm

.macro sums_next
    sums_step   vmladava, vmladava, sums_values
.endm

@ A whole function. \first and \next are steps, \unroll of the latter a round.
.macro multiply name, first, next, unroll
    .section .text.\name, "ax", %progbits
    .global \name
    .type   \name, %function
    .thumb_func
\name:
    push        {r4-r11, lr}
    vpush       {d8-d15}
    sub         sp, #FRAME
    ldrd        r1, r2, [r0, #WORK_WEIGHTS]     @ weights, line
    ldrd        r3, r4, [r0, #WORK_PITCH]       @ pitch, advance
    ldrd        r5, r6, [r0, #WORK_VECTORS]     @ vectors, lanes
    ldrd        r7, r8, [r0, #WORK_BIAS]        @ bias, multiplier
    ldrd        r9, r10, [r0, #WORK_OUT]        @ out, stride
    ldrd        r11, r12, [r0, #WORK_PAIRS]     @ pairs, quads
    add         r3, r2
    strd        r1, r6, [sp, #WEIGHTS]
    strd        r4, r10, [sp, #ADVANCE]
    strd        r2, r3, [sp, #LINE]
    strd        r9, r11, [sp, #OUT]
    strd        r7, r8, [sp, #BIAS]
    str         r12, [sp, #QUADS]
    @ After the first vector n = r5 - 1 are left: their rounds, and how many steps of the first round to skip.
    subs        r5, #1
    movs        r7, #\unroll
    adds        r4, r5, #\unroll - 1
    udiv        r4, r4, r7
    mul         r6, r4, r7
    subs        r6, r6, r5
    movw        r7, #:lower16:((5f - 3f) / \unroll)
    muls        r6, r7, r6
    adr.w       r7, 3f
    add         r6, r7
    cmp         r5, #0
    it          eq
    adreq.w     r6, 4f
    orr         r6, r6, #1
    strd        r4, r6, [sp, #ROUNDS]
1:  @ A quad of outputs.
    ldrd        r0, r2, [sp, #BIAS]
    vldrw.u32   q6, [r0], #16
    vldrw.u32   q7, [r2], #16
    strd        r0, r2, [sp, #BIAS]
    ldrd        r9, r11, [sp, #LINE]
    ldrd        r5, r3, [sp, #OUT]
2:  @ A pair of pixels.
    ldrd        r1, r7, [sp, #WEIGHTS]
    \first
    ldm         sp, {r7, pc}
    @ ADR wants its labels aligned; the wide SUBS keeps the second one so without a NOP to run through.
    .balign 4
3:
    .rept \unroll
    \next
    .endr
5:  subs.w      r7, r7, #1
    bne.w       3b
    .balign 4
4:  @ The first register goes to the lower lane, whatever the order of the lanes suggests.
    vmov        q0[2], q0[0], r0, r4
    vmov        q0[3], q0[1], r2, r6
    vmov        q1[2], q1[0], r8, r12
    vmov        q1[3], q1[1], r10, lr
    vadd.i32    q0, q0, q6
    vadd.i32    q1, q1, q6
    ldrd        r0, r2, [sp, #ADVANCE]
    vrmulh.s32  q0, q0, q7
    vrmulh.s32  q1, q1, q7
    @ To 16 bits without sign, then to 8: saturating twice is saturating once.
    vqmovunb.s32 q0, q0
    vqmovunt.s32 q0, q1
    add         r9, r0
    vqmovnb.u16 q0, q0
    add         r11, r0
    vstrb.32    q0, [r5]
    add         r5, r2
    vshr.u32    q0, q0, #16
    vstrb.32    q0, [r5]
    add         r5, r2
    subs        r3, #1
    bne.w       2b
    ldr         r0, [sp, #OUT]
    ldr         r2, [sp, #QUADS]
    adds        r0, #4
    str         r0, [sp, #OUT]
    str         r1, [sp, #WEIGHTS]
    subs        r2, #1
    str         r2, [sp, #QUADS]
    bne.w       1b
    add         sp, #FRAME
    vpop        {d8-d15}
    pop         {r4-r11, pc}
    .size   \name, . - \name
.endm

    @ Two rounds for a 3x3 over 32 channels, three for one over 48.
    multiply denselet_multiply_bytes, bytes_first, bytes_next, 9
    multiply denselet_multiply_sums, sums_first, sums_next, 4

@ extern "C" fn(weights, quads, vectors, lanes, sums): sums of each filter's weights times 128, all but those that
@ fill it up.
    .section .text.denselet_filter_sums, "ax", %progbits
    .global denselet_filter_sums
    .type   denselet_filter_sums, %function
    .thumb_func
denselet_filter_sums:
    push        {r4-r10, lr}
    ldr         r9, [sp, #(8 * WORD)]      @ after the saved registers
1:
    movs        r4, #0
    movs        r6, #0
    mov         r8, #0
    mov         r10, #0
    vmsr        p0, r3
    vpstttt
    vldrbt.u8   q0, [r0]
    vldrbt.u8   q1, [r0, #16]
    vldrbt.u8   q2, [r0, #32]
    vldrbt.u8   q3, [r0, #48]
    mov         r5, r2
2:
    vaddva.s8   r4, q0
    vaddva.s8   r6, q1
    vaddva.s8   r8, q2
    vaddva.s8   r10, q3
    adds        r0, #64
    subs        r5, #1
    beq         3f
    vldrb.u8    q0, [r0]
    vldrb.u8    q1, [r0, #16]
    vldrb.u8    q2, [r0, #32]
    vldrb.u8    q3, [r0, #48]
    b           2b
3:
    lsls        r4, #7
    lsls        r6, #7
    lsl         r8, #7
    lsl         r10, #7
    strd        r4, r6, [r9], #8
    strd        r8, r10, [r9], #8
    subs        r1, #1
    bne         1b
    pop         {r4-r10, pc}
    .size   denselet_filter_sums, . - denselet_filter_sums
