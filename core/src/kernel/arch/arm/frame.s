@ What surrounds the loops on Armv7-M and up: lines times filters, two outputs at once, four pixels or two.
@
@ extern "C" fn(&mut Work)
@
@ In the loops: r0 weights, r1 line, r4-r7 output 0's sums of pixels 0 to 3, r8-r11 output 1's, r2, r3, r12 and lr free.
@ Every instruction of an unrolled body has four bytes, because the loop is entered in its middle if the filter is not a
@ multiple of it. The macro `requantise` is the file's that follows.

    .syntax unified
    .thumb

@ The stack after the registers are saved: two words, the work up to the end of its outputs, two words.
    .equ LINE, 0                        @ the line, less what the first round skips
    .equ SKIP, LINE + WORD              @ bytes of weights that the first round skips
    .equ WORK, SKIP + WORD
    .equ BIAS, WORK + WORK_BIAS         @ one address for each pixel
    .equ MULTIPLIER, WORK + WORK_MULTIPLIER
    .equ OUT, WORK + WORK_OUT
    .equ STRIDE, WORK + WORK_STRIDE     @ bytes from a pixel of the output to the next
    .equ LAST, WORK + WORK_LAST         @ bytes from pixel 0 to the last one
    .equ OUT_END, WORK + WORK_OUT_END
    .equ ENTRY, OUT_END + WORD          @ where the first round enters the body
    .equ END, ENTRY + WORD              @ the end of the line
    .equ FRAME, END + WORD

@ A unit of a line: a word of two inputs for every column. The weights of one tap for it: a word of both outputs'.
    .equ PIXELS, TILE * WORD
    .equ COLUMNS, WINDOW * WORD
    .equ ROW, TAPS * WORD

@ Saves registers, takes the work and computes the first round: `unroll` units from `body` to `end`, of that many bytes
@ of weights and line each.
.macro enter unroll, weight_bytes, line_bytes, body, end, shift=0
    push    {r4-r11, lr}
    ldm     r0!, {r4-r11}               @ biases, multiplier, out, stride, last
    ldm     r0, {r0-r3}                 @ end of out, line, weights, units
    .if \shift
    lsr     r3, r3, #\shift
    .endif
    mov     r12, #\line_bytes
    mla     lr, r3, r12, r1             @ end of the line
    push    {r0, r1, lr}                @ the second makes place for the entry
    push    {r4-r11}
    @ Units that the first round skips: (-units) mod unroll.
    rsbs    r3, r3, #0
    .if (\unroll & (\unroll - 1)) == 0
    and     r3, r3, #(\unroll - 1)
    .else
    mov     r5, #\unroll
    sdiv    r4, r3, r5
    mls     r3, r4, r5, r3
    cmp     r3, #0
    it      lt
    addlt   r3, r5
    .endif
    mls     r1, r3, r12, r1
    mov     r4, #\weight_bytes
    mul     r4, r3, r4
    push    {r1, r4}
    adr.w   r5, \body
    movw    r4, #:lower16:((\end - \body) / \unroll)
    mla     r5, r3, r4, r5
    orr     r5, r5, #1
    str     r5, [sp, #ENTRY]
    mov     r0, r2
.endm

.macro leave
    add     sp, #FRAME
    pop     {r4-r11, pc}
.endm

@ Starts the sums of a pair of outputs with one bias for all pixels.
.macro start_pixels
    ldm     sp, {r1, r2, r12}
    ldrd    r4, r8, [r12], #8
    str     r12, [sp, #BIAS]
    mov     r5, r4
    mov     r9, r8
    subs    r0, r0, r2
.endm

@ Starts the sums of a pair of outputs with each pixel's bias.
.macro start_window
    add     r12, sp, #BIAS
    ldm     r12, {r4-r7}
    ldrd    r4, r8, [r4]
    ldrd    r5, r9, [r5]
    ldrd    r6, r10, [r6]
    ldrd    r7, r11, [r7]
    ldrd    r2, r3, [r12]
    adds    r2, #8
    adds    r3, #8
    strd    r2, r3, [r12]
    ldrd    r2, r3, [r12, #8]
    adds    r2, #8
    adds    r3, #8
    strd    r2, r3, [r12, #8]
    ldm     sp, {r1, r2}
    subs    r0, r0, r2
.endm

@ Goes on while there is line left.
.macro again unroll, weight_bytes, line_bytes, body
    add     r0, r0, #(\unroll * \weight_bytes)
    add     r1, r1, #(\unroll * \line_bytes)
    ldr     r2, [sp, #END]
    cmp     r1, r2
    bne.w   \body
    ldr     r1, [sp, #MULTIPLIER]
    ldrd    r2, r3, [r1], #8
    str     r1, [sp, #MULTIPLIER]
.endm

@ Writes four pixels' pairs and goes on while there are outputs. The last pixel first: of three, it is the third
@ once more, or what has no meaning, and is overwritten.
.macro write_four pair
    requantise r7, r2
    requantise r4, r2
    requantise r5, r2
    requantise r6, r2
    requantise r11, r3
    requantise r8, r3
    requantise r9, r3
    requantise r10, r3
    ldr     r1, [sp, #OUT]
    ldr     r12, [sp, #OUT_END]
    ldrd    r2, r3, [sp, #STRIDE]
    strb    r7, [r1, r3]
    strb    r4, [r1]
    strb    r5, [r1, r2]
    strb    r6, [r1, r2, lsl #1]
    adds    r1, #1
    strb    r11, [r1, r3]
    strb    r8, [r1]
    strb    r9, [r1, r2]
    strb    r10, [r1, r2, lsl #1]
    adds    r1, #1
    str     r1, [sp, #OUT]
    cmp     r1, r12
    bne.w   \pair
    leave
.endm

@ The same for two pixels, sums in r4, r5 and r8, r9.
.macro write_two pair
    requantise r5, r2
    requantise r4, r2
    requantise r9, r3
    requantise r8, r3
    ldr     r1, [sp, #OUT]
    ldr     r12, [sp, #OUT_END]
    ldr     r3, [sp, #LAST]
    strb    r5, [r1, r3]
    strb    r4, [r1]
    adds    r1, #1
    strb    r9, [r1, r3]
    strb    r8, [r1]
    adds    r1, #1
    str     r1, [sp, #OUT]
    cmp     r1, r12
    bne.w   \pair
    leave
.endm

