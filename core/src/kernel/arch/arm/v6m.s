@ Armv6-M: eight registers that every instruction takes, and multiplications that destroy one of their operands.
@
@ extern "C" fn(&mut Work)
@
@ In the loops: r0 weights, r1 line, r2 a word of weights, r3 and r4 an input's weights of both outputs, r5 and r6 that
@ input of two pixels, r7 a product; r8 and r9 output 0's sums of both pixels, r10 and r11 output 1's; r12 the end of
@ the line, lr the work. Four pixels are two passes.

    .syntax unified
    .thumb

@ The stack after the registers are saved.
    .equ PAIR, 0                @ bytes from the first bias to this pair's
    .equ LENGTH, PAIR + WORD    @ bytes of the line
    .equ FRAME, LENGTH + WORD

@ A unit of a line: a word of two inputs for every column.
    .equ PIXELS, TILE * WORD
    .equ COLUMNS, WINDOW * WORD

@ Saves registers. `line_bytes` bytes of line in a unit.
.macro enter line_bytes
    push    {r4-r7, lr}
    mov     r4, r8
    mov     r5, r9
    mov     r6, r10
    mov     r7, r11
    push    {r4-r7}
    sub     sp, #FRAME
    mov     lr, r0
    ldr     r1, [r0, #WORK_UNITS]
    movs    r2, #\line_bytes
    muls    r1, r2, r1
    str     r1, [sp, #LENGTH]
    movs    r1, #0
    str     r1, [sp, #PAIR]
.endm

@ Starts two pixels' sums, `pixel` and the next one.
.macro start pixel
    mov     r7, lr
    ldr     r4, [sp, #PAIR]
    ldr     r2, [r7, #(WORK_BIAS + WORD * \pixel)]
    adds    r2, r2, r4
    ldm     r2, {r2, r3}
    mov     r8, r2
    mov     r10, r3
    ldr     r2, [r7, #(WORK_BIAS + WORD * \pixel + WORD)]
    adds    r2, r2, r4
    ldm     r2, {r2, r3}
    mov     r9, r2
    mov     r11, r3
    ldr     r0, [r7, #WORK_WEIGHTS]
    ldr     r1, [r7, #WORK_LINE]
    .if \pixel
    adds    r1, #(WORD * \pixel)
    .endif
    ldr     r2, [sp, #LENGTH]
    adds    r2, r1, r2
    mov     r12, r2
.endm

@ An input of two pixels, times both outputs' weights in r3 and `far`.
.macro products at, far
    ldrh    r5, [r1, #(\at)]
    ldrh    r6, [r1, #(\at + WORD)]
    movs    r7, r3
    muls    r7, r5, r7
    add     r8, r7
    muls    r3, r6, r3
    add     r9, r3
    muls    r5, \far, r5
    add     r10, r5
    muls    r6, \far, r6
    add     r11, r6
.endm

@ Two inputs of two pixels, `at` bytes after the line's place: 29 instructions for 8 MACs.
.macro word at
    ldm     r0!, {r2}
    sxtb    r3, r2
    asrs    r2, r2, #8
    sxtb    r4, r2
    asrs    r2, r2, #8
    products \at, r4
    sxtb    r3, r2
    asrs    r2, r2, #8
    products (\at + 2), r2
.endm

@ What `arithmetic::requantise` does with `sum`, into byte `output` at r5: a product of 64 bits out of four.
.macro write sum, output
    mov     r0, \sum
    ldr     r1, [r6, #(WORD * \output)]
    uxth    r2, r0
    asrs    r0, r0, #16
    uxth    r3, r1
    lsrs    r1, r1, #16
    movs    r4, r2
    muls    r4, r3, r4
    lsrs    r4, r4, #16
    muls    r2, r1, r2
    adds    r2, r2, r4
    movs    r4, #128
    lsls    r4, r4, #8
    adds    r2, r2, r4
    muls    r3, r0, r3
    muls    r0, r1, r0
    lsrs    r4, r2, #16
    adds    r0, r0, r4
    asrs    r4, r3, #16
    adds    r0, r0, r4
    uxth    r2, r2
    uxth    r3, r3
    adds    r2, r2, r3
    lsrs    r2, r2, #16
    adds    r0, r0, r2
    @ The nearest byte.
    asrs    r1, r0, #31
    bics    r0, r1
    movs    r1, #255
    subs    r1, r1, r0
    asrs    r1, r1, #31
    orrs    r0, r1
    strb    r0, [r5, #\output]
.endm

@ Writes two pixels' pairs, r4 and r5 bytes after the output: the second one first, for it may be the first once more
@ or have no meaning.
.macro write_both
    mov     r7, lr
    ldr     r2, [r7, #WORK_OUT]
    adds    r4, r4, r2
    adds    r5, r5, r2
    push    {r4}
    ldr     r6, [r7, #WORK_MULTIPLIER]
    ldr     r2, [sp, #(PAIR + WORD)]
    adds    r6, r6, r2
    write   r9, 0
    write   r11, 1
    pop     {r5}
    write   r8, 0
    write   r10, 1
.endm

@ Goes on while there are outputs. r0 was the next pair's weights.
.macro next pair
    ldr     r2, [sp, #PAIR]
    adds    r2, #8
    str     r2, [sp, #PAIR]
    mov     r7, lr
    ldr     r2, [r7, #WORK_OUT]
    adds    r2, #2
    str     r2, [r7, #WORK_OUT]
    ldr     r3, [r7, #WORK_OUT_END]
    cmp     r2, r3
    beq     9f
    b       \pair
9:  add     sp, #FRAME
    pop     {r4-r7}
    mov     r8, r4
    mov     r9, r5
    mov     r10, r6
    mov     r11, r7
    pop     {r4-r7, pc}
.endm

@ Two pixels, one tap, from `pixel` on.
.macro sum_pixels pixel
    start   \pixel
5:  word    0
    word    16
    adds    r1, #32
    cmp     r1, r12
    bne     5b
    mov     r7, lr
.endm

@ Two pixels, rows of three taps.
.macro sum_window pixel
    start   \pixel
5:  word    0
    word    4
    word    8
    adds    r1, #24
    cmp     r1, r12
    bne     5b
    mov     r7, lr
.endm

@ After pixels 0 and 1 of four, or of two; after pixels 2 and 3.
.macro write_first
    movs    r4, #0
    ldr     r5, [r7, #WORK_STRIDE]
    write_both
.endm
.macro write_two
    str     r0, [r7, #WORK_WEIGHTS]
    movs    r4, #0
    ldr     r5, [r7, #WORK_LAST]
    write_both
.endm
.macro write_last
    str     r0, [r7, #WORK_WEIGHTS]
    ldr     r4, [r7, #WORK_STRIDE]
    adds    r4, r4, r4
    ldr     r5, [r7, #WORK_LAST]
    write_both
.endm

    .section .text.denselet_pixels_by_two,"ax",%progbits
    .global denselet_pixels_by_two
    .type denselet_pixels_by_two,%function
    .thumb_func
denselet_pixels_by_two:
    enter   PIXELS
1:  sum_pixels 0
    write_two
    next    1b
    .size denselet_pixels_by_two, . - denselet_pixels_by_two

    .section .text.denselet_pixels_by_four,"ax",%progbits
    .global denselet_pixels_by_four
    .type denselet_pixels_by_four,%function
    .thumb_func
denselet_pixels_by_four:
    enter   PIXELS
1:  sum_pixels 0
    write_first
    sum_pixels 2
    write_last
    next    1b
    .size denselet_pixels_by_four, . - denselet_pixels_by_four

    .section .text.denselet_window_by_two,"ax",%progbits
    .global denselet_window_by_two
    .type denselet_window_by_two,%function
    .thumb_func
denselet_window_by_two:
    enter   COLUMNS
1:  sum_window 0
    write_two
    next    1b
    .size denselet_window_by_two, . - denselet_window_by_two

    .section .text.denselet_window_by_four,"ax",%progbits
    .global denselet_window_by_four
    .type denselet_window_by_four,%function
    .thumb_func
denselet_window_by_four:
    enter   COLUMNS
1:  sum_window 0
    write_first
    sum_window 2
    write_last
    next    1b
    .size denselet_window_by_four, . - denselet_window_by_four
